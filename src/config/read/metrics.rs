//! `[metrics]`

use crate::config::relations::Door;
use crate::config::section::Section;
use crate::config::value::{boolean, listen};

/// Where metrics are served; `None`: nowhere.
pub(super) fn read<'a>(section: Section<'a>) -> Option<Door<'a>> {
    let address = section.optional("listen", listen);
    let remote = section.or("allow_remote", "false", boolean);
    if let (Some(address), Some(false)) = (address, remote)
        && !address.ip().to_canonical().is_loopback()
    {
        section.report().problem(
            &section.place("listen"),
            "can be reached from outside, and who reads it need not log in",
            "listen on 127.0.0.1, or say allow_remote = true beside it",
        );
    }
    let place = section.place("listen");
    section.finish();
    address.map(|address| Door { of: "[metrics]", address, place })
}
