//! Bans on disk, so that a restart forgives nobody.
//!
//! A text file: a line that names the format and its version, a line per ban, and a last line with the number
//! of bans and the CRC-32C of everything before it. A file that is not exactly so is not used. A ban for
//! misbehaviour is the source's first address, the Unix second at which it ends, that of its beginning, how many
//! connections were closed and within how many seconds; without the last three where an earlier version noted only
//! the end. One that an operator ordered is the network (with its `/`), the second of its end, that of the order and
//! the reason. Versions 1, which knew no orders, and 2, which knew of misbehaviour only the end, are read as well.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use super::bans::Cause;
use super::source::Source;
use crate::config::Network;

const FIRST_LINE: &str = "mpos-stratum bans 3\n";
/// Those of earlier versions.
const FIRST_LINES_BEFORE: [&str; 2] = ["mpos-stratum bans 2\n", "mpos-stratum bans 1\n"];

/// What is in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// For misbehaviour.
    pub sources: Vec<SavedBan>,
    /// By order.
    pub ordered: Vec<SavedOrder>,
}

/// A ban for misbehaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedBan {
    /// Who is banned.
    pub source: Source,
    /// Unix second of its end.
    pub until: u64,
    /// What is known of its beginning.
    pub cause: Option<Cause>,
}

/// A ban that an operator ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedOrder {
    /// Who is banned.
    pub network: Network,
    /// Unix second of its end.
    pub until: u64,
    /// Unix second of the order.
    pub since: u64,
    /// Why; no line breaks.
    pub reason: String,
}

/// Writes bans. The old file is replaced at once or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(path: &Path, bans: &Saved) -> io::Result<()> {
    let mut text = FIRST_LINE.to_owned();
    for SavedBan { source, until, cause } in &bans.sources {
        let cause = cause.map_or_else(String::new, |Cause { since, closes, window_secs }| {
            format!(" {since} {closes} {window_secs}")
        });
        text += &format!("{} {until}{cause}\n", source.first_address());
    }
    for SavedOrder { network, until, since, reason } in &bans.ordered {
        text += &format!("{network} {until} {since} {reason}\n");
    }
    text += &last_line(bans.sources.len() + bans.ordered.len(), &text);
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // Else a power cut may bring the old file back.
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Reads them back; none if there is no file.
///
/// # Errors
/// The file cannot be read, or is damaged, which is [`io::ErrorKind::InvalidData`].
pub fn read(path: &Path) -> io::Result<Saved> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Saved::default()),
        Err(error) => Err(error),
    }
}

fn last_line(count: usize, before: &str) -> String {
    format!("end {count} {:08x}\n", crc32c::crc32c(before.as_bytes()))
}

fn parse(text: &str) -> Option<Saved> {
    let (before, _) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let before = text.get(..=before.len())?;
    let known = std::iter::once(FIRST_LINE).chain(FIRST_LINES_BEFORE);
    let lines = known.into_iter().find_map(|first| before.strip_prefix(first))?;
    let mut saved = Saved::default();
    for line in lines.lines() {
        let (who, rest) = line.split_once(' ')?;
        if who.contains('/') {
            saved.ordered.push(order(who, rest)?);
        } else {
            saved.sources.push(ban(who, rest)?);
        }
    }
    let count = saved.sources.len() + saved.ordered.len();
    (text.get(before.len()..)? == last_line(count, before)).then_some(saved)
}

fn ban(address: &str, rest: &str) -> Option<SavedBan> {
    let source = Source::of(address.parse::<IpAddr>().ok()?);
    let words: Vec<&str> = rest.split(' ').collect();
    let (until, cause) = match words[..] {
        [until] => (until, None),
        [until, since, closes, window] => {
            let (since, closes, window_secs) = (since.parse().ok()?, closes.parse().ok()?, window.parse().ok()?);
            (until, Some(Cause { since, closes, window_secs }))
        }
        _ => return None,
    };
    Some(SavedBan { source, until: until.parse().ok()?, cause })
}

fn order(network: &str, rest: &str) -> Option<SavedOrder> {
    let mut words = rest.splitn(3, ' ');
    let mut number = || words.next()?.parse().ok();
    let (until, since) = (number()?, number()?);
    Some(SavedOrder { network: Network::parse(network)?, until, since, reason: words.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_come_back_as_they_were_and_any_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans");
        assert_eq!(read(&path).unwrap(), Saved::default());
        let address = |text: &str| Source::of(text.parse().unwrap());
        let order = |network: &str, reason: &str| SavedOrder {
            network: Network::parse(network).unwrap(),
            until: 1_700_000_000,
            since: 1_600_000_000,
            reason: reason.to_owned(),
        };
        let bans = Saved {
            sources: vec![
                SavedBan {
                    source: address("192.0.2.1"),
                    until: 1_700_000_000,
                    cause: Some(Cause { since: 1_699_999_400, closes: 3, window_secs: 600 }),
                },
                SavedBan { source: address("2001:db8:1:2::7"), until: 1_700_000_600, cause: None },
            ],
            ordered: vec![order("198.51.100.0/24", "said so, twice"), order("2001:db8::/32", "")],
        };
        write(&path, &bans).unwrap();
        assert_eq!(read(&path).unwrap(), bans);

        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(read(&path).is_err(), "cut at {cut}");
            let mut flipped = whole.clone();
            flipped[cut] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert!(read(&path).is_err(), "flipped at {cut}");
        }
        write(&path, &Saved::default()).unwrap();
        assert_eq!(read(&path).unwrap(), Saved::default());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_formats_before_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans");
        for (version, orders) in [(1, ""), (2, "192.0.2.0/24 1700000000 1600000000 said so\n")] {
            let text = format!("mpos-stratum bans {version}\n192.0.2.1 1700000000\n{orders}");
            let count = text.lines().count() - 1;
            fs::write(&path, format!("{text}{}", last_line(count, &text))).unwrap();
            let saved = read(&path).unwrap();
            let source = Source::of("192.0.2.1".parse().unwrap());
            assert_eq!(saved.sources, [SavedBan { source, until: 1_700_000_000, cause: None }]);
            assert_eq!(saved.ordered.len(), count - 1);
        }
    }
}
