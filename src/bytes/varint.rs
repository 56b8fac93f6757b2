//! CompactSize, the variable-length count of the Bitcoin serialisation: one byte below 253, else
//! a marker byte and 2, 4 or 8 little-endian bytes.

/// Appends `value`.
pub fn write(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfc => out.push(bytes[0]),
        0xfd..=0xffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xfe);
            out.extend_from_slice(&bytes[..4]);
        }
        _ => {
            out.push(0xff);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Reads a value from the front of `input`: the value and how many bytes it took.
pub fn read(input: &[u8]) -> Option<(u64, usize)> {
    let (&first, rest) = input.split_first()?;
    let size = match first {
        0xfd => 2,
        0xfe => 4,
        0xff => 8,
        small => return Some((u64::from(small), 1)),
    };
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(rest.get(..size)?);
    Some((u64::from_le_bytes(bytes), 1 + size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_round_trip_in_their_shortest_form() {
        for (value, size) in
            [(0, 1), (252, 1), (253, 3), (0xffff, 3), (0x1_0000, 5), (0xffff_ffff, 5), (1 << 32, 9), (u64::MAX, 9)]
        {
            let mut out = Vec::new();
            write(value, &mut out);
            assert_eq!(out.len(), size, "{value}");
            assert_eq!(read(&out), Some((value, size)));
            assert_eq!(read(&out[..size - 1]), None, "cut {value}");
        }
    }
}
