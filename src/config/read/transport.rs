//! What `[tls]` and the ports say about sockets: encryption, proxies, limits per address.

use std::path::PathBuf;

use toml::de::DeValue;

use super::database::CREDENTIAL_REMEDY;
use crate::config::problem::is_missing_credential;
use crate::config::section::Section;
use crate::config::value::{Wrong, list, one_of, secs, sized, text, wrong};
use crate::config::{Handshakes, Limits, Network, Proxy, Rate, Tls, TlsFiles, Transport, identity};

/// The words of `tls`: whether there is TLS, and whether there is nothing else.
const TLS_MODES: &[(&str, (bool, bool))] =
    &[("off", (false, false)), ("required", (true, true)), ("detect", (true, false))];
/// The words of `proxy_protocol`: whether there is one, and whether there is nothing without.
const PROXY_MODES: &[(&str, (bool, bool))] =
    &[("off", (false, false)), ("required", (true, true)), ("optional_from_trusted", (true, false))];

/// The certificate that ports use which name none of their own: file of the chain, file of the key.
pub(super) type SharedFiles = (Option<PathBuf>, Option<PathBuf>);

/// `[tls]`
pub(super) fn daemon_wide(section: Section<'_>) -> (SharedFiles, Option<Handshakes>) {
    let files = (section.file("certificate_file"), section.file("key_file"));
    let most = section.or("handshakes_max", "256", sized(1..=65_536));
    let timeout = section.or("handshake_timeout_secs", "5", secs(1..=60));
    section.finish();
    let handshakes = || Some(Handshakes { most: most?, timeout: timeout? });
    (files, handshakes())
}

/// The keys of a port. `None` if one is wrong.
pub(super) fn read(section: &Section<'_>, shared: &SharedFiles) -> Option<Transport> {
    let tls = tls(section, shared);
    let proxy = proxy(section);
    let limits = limits(section);
    Some(Transport { tls: tls?, proxy: proxy?, limits: limits? })
}

/// `Some(None)`: no TLS.
fn tls(section: &Section<'_>, (certificate, key): &SharedFiles) -> Option<Option<Tls>> {
    let mode = section.or("tls", "\"off\"", one_of(TLS_MODES));
    let own = (section.file("tls_certificate_file"), section.file("tls_key_file"));
    let (on, required) = mode?;
    if !on {
        return Some(None);
    }
    let files = match own {
        (None, None) => certificate.clone().zip(key.clone()),
        (certificate, key) => certificate.zip(key),
    };
    let Some((certificate, key)) = files else {
        let remedy = "give both files: certificate_file and key_file in [tls], or tls_certificate_file and \
                      tls_key_file of this port";
        section.report().problem(&section.place("tls"), "has no certificate and key", remedy);
        return None;
    };
    let files = TlsFiles { certificate, key };
    match identity::load(&files) {
        Ok(_) => Some(Some(Tls { required, files })),
        Err(bad) if [&files.certificate, &files.key].into_iter().any(|file| is_missing_credential(file)) => {
            section.report().credential(&section.place("tls"), bad.what, CREDENTIAL_REMEDY);
            // Reaches nobody who would use it: either it is a problem, or the configuration is only looked at.
            Some(Some(Tls { required, files }))
        }
        Err(bad) => {
            let own = if bad.in_key { "tls_key_file" } else { "tls_certificate_file" };
            let place = section.place(if section.has(own) { own } else { "tls" });
            section.report().problem(&place, bad.what, bad.remedy);
            None
        }
    }
}

/// `Some(None)`: no PROXY protocol.
fn proxy(section: &Section<'_>) -> Option<Option<Proxy>> {
    let mode = section.or("proxy_protocol", "\"off\"", one_of(PROXY_MODES));
    let trusted = section.optional("trusted_proxies", list(network));
    let header_timeout = section.or("proxy_timeout_secs", "5", secs(3..=60));
    let (on, required) = mode?;
    if !on {
        return Some(None);
    }
    let Some(trusted) = trusted.filter(|trusted| !trusted.is_empty()) else {
        let place = section.place("trusted_proxies");
        let remedy = "list the addresses of your balancers, such as trusted_proxies = [\"192.0.2.10\", \"10.0.0.0/8\"]";
        section.report().problem(&place, "is needed with proxy_protocol: anybody could claim any address", remedy);
        return None;
    };
    Some(Some(Proxy { required, trusted, header_timeout: header_timeout? }))
}

fn limits(section: &Section<'_>) -> Option<Limits> {
    let connections_per_address_max = section.or("connections_per_address_max", "512", sized(1..=1_000_000));
    let connections_per_sec = section.or("connections_per_sec", "50", sized(1..=100_000));
    let connections_burst = section.or("connections_burst", "200", sized(1..=1_000_000));
    let messages_per_sec = section.or("messages_per_sec", "100", sized(1..=1_000_000));
    let messages_burst = section.or("messages_burst", "400", sized(8..=1_000_000));
    let failed_authorizations_per_min = section.or("failed_authorizations_per_min", "5", sized(1..=100_000));
    let authorization_delay = section.or("authorization_delay_secs", "60", secs(1..=600));
    let ban_closes = section.or("ban_closes", "2", sized(1..=1000));
    let ban_window = section.or("ban_window_secs", "600", secs(10..=86_400));
    let ban = section.or("ban_secs", "600", secs(1..=604_800));
    let exempt = section.or("exempt", "[\"127.0.0.0/8\", \"::1\"]", list(network));
    Some(Limits {
        connections_per_address_max: connections_per_address_max?,
        connections: Rate { per_sec: connections_per_sec?, burst: connections_burst? },
        messages: Rate { per_sec: messages_per_sec?, burst: messages_burst? },
        failed_authorizations_per_min: failed_authorizations_per_min?,
        authorization_delay: authorization_delay?,
        ban_closes: ban_closes?,
        ban_window: ban_window?,
        ban: ban?,
        exempt: exempt?,
    })
}

/// An address or a network.
pub(super) fn network(value: &DeValue<'_>) -> Result<Network, Wrong> {
    match Network::parse(&text(value)?) {
        Some(network) => Ok(network),
        None => wrong(
            "holds something that is not a network",
            "write addresses such as \"192.0.2.10\" or networks such as \"192.0.2.0/24\" or \"2001:db8::/32\", with no \
             bits set behind the prefix",
        ),
    }
}
