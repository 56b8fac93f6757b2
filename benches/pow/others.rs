//! The same algorithms from the crates that have them whole.

use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, Version};

/// A crate's name and its hash of a header.
type Other = (&'static str, fn(&[u8]));

/// The best crate for an algorithm of that name, if there is one that is not what the daemon itself calls.
pub fn of(name: &str) -> Option<Other> {
    match name {
        "scrypt" => Some(("scrypt 0.12", |header| scrypt(header, 10))),
        // At the N of the end of 2030, as ours.
        "scrypt-n" => Some(("scrypt 0.12", |header| scrypt(header, 16))),
        "scrypt-og" => Some(("scrypt 0.12", |header| scrypt(header, 6))),
        "lyra2rev2" => Some(("lyra2 0.2", |header| drop(black_box(lyra2::lyra2rev2::sum(header.to_vec()))))),
        "lyra2rev3" => Some(("lyra2 0.2", |header| drop(black_box(lyra2::lyra2rev3::sum(header.to_vec()))))),
        "lyra2z" => Some(("lyra2 0.2", |header| drop(black_box(lyra2::lyra2z::sum(header.to_vec()))))),
        "argon2d-dyn" => Some(("argon2 0.6", |header| argon2(header, Version::V0x10))),
        "argon2d-dyn-v13" => Some(("argon2 0.6", |header| argon2(header, Version::V0x13))),
        _ => None,
    }
}

fn scrypt(header: &[u8], log_n: u8) {
    let mut hash = [0; 32];
    let made = scrypt::Params::new(log_n, 1, 1).map(|params| scrypt::scrypt(header, header, &params, &mut hash));
    black_box((made.is_ok(), hash));
}

fn argon2(header: &[u8], version: Version) {
    let mut hash = [0; 32];
    let made = Params::new(500, 2, 8, Some(32))
        .map(|params| Argon2::new(Algorithm::Argon2d, version, params).hash_password_into(header, header, &mut hash));
    black_box((made.is_ok(), hash));
}
