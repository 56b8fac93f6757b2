//! The line codec against the whole bytes, split at once.

use mpos_stratum::stratum::codec::{LineBuffer, LineTooLong};

use super::tape::Tape;

/// What a stream is, read as a whole: its lines up to the first that is too long, and whether there is one.
fn whole(stream: &[u8], line_bytes_max: usize) -> (Vec<Vec<u8>>, bool) {
    let mut parts: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let unfinished = parts.pop().unwrap_or_default();
    let mut lines = Vec::new();
    for part in parts {
        let line = part.strip_suffix(b"\r").unwrap_or(part);
        if line.len() > line_bytes_max {
            return (lines, true);
        }
        lines.push(line.to_vec());
    }
    // A `\r` may be the beginning of the line's end.
    (lines, unfinished.len() > line_bytes_max + 1)
}

/// Lets the codec read a stream in pieces.
pub fn check(data: &[u8]) {
    let mut tape = Tape::new(data);
    let line_bytes_max = tape.roll(65);
    let pieces: Vec<usize> = (0..tape.roll(16)).map(|_| tape.roll(40)).collect();
    // Half of the streams have an alphabet in which line ends are frequent.
    let small = tape.one_in(2);
    let letter = |byte: u8| if small { *b"\n\r\nabc{ ".get(usize::from(byte % 8)).unwrap_or(&byte) } else { byte };
    let stream: Vec<u8> = tape.rest().iter().map(|byte| letter(*byte)).collect();

    let mut buffer = LineBuffer::new(line_bytes_max);
    let (mut lines, mut too_long, mut from) = (Vec::new(), false, 0);
    for piece in pieces.into_iter().chain([stream.len()]) {
        let to = stream.len().min(from + piece);
        buffer.push(&stream[from..to]);
        from = to;
        loop {
            match buffer.next_line() {
                Ok(Some(line)) => lines.push(line.to_vec()),
                Ok(None) => break,
                Err(LineTooLong) => {
                    too_long = true;
                    break;
                }
            }
        }
        if too_long {
            break;
        }
    }
    assert_eq!((lines, too_long), whole(&stream, line_bytes_max), "{}", stream.escape_ascii());
}
