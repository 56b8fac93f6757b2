//! Bans on disk, so that a restart forgives nobody.
//!
//! A text file: a line that names the format and its version, a line per ban with the source's first
//! address and the Unix second at which the ban ends, and a last line with the number of bans and the
//! CRC-32C of everything before it. A file that is not exactly so is not used.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use super::source::Source;

const FIRST_LINE: &str = "mpos-stratum bans 1\n";

/// Writes bans: source and Unix second of the end. The old file is replaced at once or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(path: &Path, bans: &[(Source, u64)]) -> io::Result<()> {
    let mut text = FIRST_LINE.to_owned();
    for (source, until) in bans {
        text += &format!("{} {until}\n", source.first_address());
    }
    text += &last_line(bans.len(), &text);
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Reads them back; none if there is no file.
///
/// # Errors
/// The file cannot be read, or is damaged, which is [`io::ErrorKind::InvalidData`].
pub fn read(path: &Path) -> io::Result<Vec<(Source, u64)>> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn last_line(count: usize, before: &str) -> String {
    format!("end {count} {:08x}\n", crc32c::crc32c(before.as_bytes()))
}

fn parse(text: &str) -> Option<Vec<(Source, u64)>> {
    let (before, _) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let before = text.get(..=before.len())?;
    let lines = before.strip_prefix(FIRST_LINE)?;
    let ban = |line: &str| {
        let (address, until) = line.split_once(' ')?;
        Some((Source::of(address.parse::<IpAddr>().ok()?), until.parse().ok()?))
    };
    let bans: Vec<(Source, u64)> = lines.lines().map(ban).collect::<Option<_>>()?;
    (text.get(before.len()..)? == last_line(bans.len(), before)).then_some(bans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_come_back_as_they_were_and_any_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans");
        assert_eq!(read(&path).unwrap(), []);
        let address = |text: &str| Source::of(text.parse().unwrap());
        let bans = [(address("192.0.2.1"), 1_700_000_000), (address("2001:db8:1:2::7"), 1_700_000_600)];
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
        write(&path, &[]).unwrap();
        assert_eq!(read(&path).unwrap(), []);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
