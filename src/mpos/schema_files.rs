//! Where the files lie that a remedy tells to load: after an installation nobody has the folder of the sources.

use std::path::Path;

/// Where the package puts them.
const INSTALLED: &str = "/usr/share/mpos-stratum/schema";
/// Where they are in the sources.
const SOURCES: &str = "schema";

/// The file that makes our own tables.
pub fn own_tables() -> String {
    at(Path::new(INSTALLED), "mpos-stratum.sql")
}

/// The file with the rights that our user of the database needs.
pub fn grants() -> String {
    at(Path::new(INSTALLED), "grants.sql")
}

/// As it is installed, else as it is called in the sources.
fn at(installed: &Path, file: &str) -> String {
    let path = installed.join(file);
    if path.exists() { path.display().to_string() } else { format!("{SOURCES}/{file}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_goes_first_and_the_sources_have_all() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(at(folder.path(), "grants.sql"), "schema/grants.sql");
        std::fs::write(folder.path().join("grants.sql"), "").unwrap();
        assert_eq!(at(folder.path(), "grants.sql"), folder.path().join("grants.sql").display().to_string());
        for file in [own_tables(), grants()] {
            let name = file.rsplit('/').next().unwrap();
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(SOURCES).join(name).exists(), "{file}");
        }
    }
}
