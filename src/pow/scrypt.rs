//! scrypt (RFC 7914) as coins use it: the header is both password and salt, p = 1, 32 bytes out.

use scrypt::Params;

use crate::bytes::Hash;

/// The most memory one hash may need. Parameters beyond it are refused when configuration is read:
/// every hasher thread takes this much.
pub const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// What parameters that cannot be computed with give: no target is met by it.
const NEVER: Hash = [0xff; 32];

/// Whether scrypt can be computed with these parameters within [`MEMORY_BYTES_MAX`].
pub fn is_supported(log_n: u8, r: u32) -> bool {
    let bytes = 1u64.checked_shl(u32::from(log_n)).and_then(|n| n.checked_mul(128 * u64::from(r)));
    log_n >= 1 && r >= 1 && bytes.is_some_and(|bytes| bytes <= MEMORY_BYTES_MAX)
}

/// scrypt of one header.
pub fn hash(header: &[u8], log_n: u8, r: u32) -> Hash {
    if !is_supported(log_n, r) {
        return NEVER;
    }
    let Ok(params) = Params::new(log_n, r, 1) else { return NEVER };
    let mut hash = NEVER;
    // The only error is an output of an impossible length; 32 bytes are possible.
    match scrypt::scrypt(header, header, &params, &mut hash) {
        Ok(()) => hash,
        Err(_) => NEVER,
    }
}
