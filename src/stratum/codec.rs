//! Bytes into lines: `\n` ends a line, a `\r` before it is dropped, and nothing is kept in memory
//! for a connection that has no unfinished line.

/// A line was longer than allowed. The connection cannot be understood any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong;

/// Collects bytes until they make lines.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the first unread line begins.
    start: usize,
    /// Up to where there is known to be no newline.
    scanned: usize,
    line_bytes_max: usize,
}

impl LineBuffer {
    /// A buffer for lines of at most `line_bytes_max` bytes, newline not counted.
    pub fn new(line_bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, scanned: 0, line_bytes_max }
    }

    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete line without its end, or `None` until more is read.
    ///
    /// # Errors
    /// The line exceeds the limit, whether its end was seen or not.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        let unread = self.bytes.get(self.scanned..).unwrap_or_default();
        let Some(offset) = unread.iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.bytes.len();
            let length = self.bytes.len() - self.start;
            self.compact();
            // A `\r` may still turn out to belong to the line's end.
            return if length > self.line_bytes_max + 1 { Err(LineTooLong) } else { Ok(None) };
        };
        let end = self.scanned + offset;
        let start = std::mem::replace(&mut self.start, end + 1);
        self.scanned = end + 1;
        let line = self.bytes.get(start..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.line_bytes_max { Err(LineTooLong) } else { Ok(Some(line)) }
    }

    /// What was read and is not part of a line that was taken.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Gives back the memory of lines that were read.
    fn compact(&mut self) {
        if self.start == self.bytes.len() {
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..self.start);
        }
        self.scanned -= self.start;
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(buffer: &mut LineBuffer, lines: &mut Vec<Vec<u8>>) -> Result<(), LineTooLong> {
        while let Some(line) = buffer.next_line()? {
            lines.push(line.to_vec());
        }
        Ok(())
    }

    #[test]
    fn a_stream_split_at_every_byte_gives_the_same_lines() {
        let stream = b"{\"id\":1}\r\n\n{\"id\":2}\nhalf";
        for cut in 0..=stream.len() {
            let (mut buffer, mut lines) = (LineBuffer::new(16), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                buffer.push(part);
                drain(&mut buffer, &mut lines).unwrap();
            }
            assert_eq!(lines, [&b"{\"id\":1}"[..], b"", b"{\"id\":2}"], "cut at {cut}");
            assert_eq!(buffer.bytes, b"half");
        }
    }

    #[test]
    fn the_limit_is_exact_and_does_not_wait_for_the_newline() {
        for ending in [&b"\n"[..], b"\r\n"] {
            let mut buffer = LineBuffer::new(4);
            buffer.push(b"abcd");
            buffer.push(ending);
            assert_eq!(buffer.next_line(), Ok(Some(&b"abcd"[..])));
            buffer.push(b"abcde");
            buffer.push(ending);
            assert_eq!(buffer.next_line(), Err(LineTooLong));
        }
        let mut buffer = LineBuffer::new(4);
        buffer.push(b"abcdef");
        assert_eq!(buffer.next_line(), Err(LineTooLong));
    }

    #[test]
    fn an_idle_buffer_holds_no_memory() {
        let mut buffer = LineBuffer::new(100);
        buffer.push(b"one\ntwo\n");
        drain(&mut buffer, &mut Vec::new()).unwrap();
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes_gives_the_same_lines(stream: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut buffer, mut lines, mut from) = (LineBuffer::new(1000), Vec::new(), 0);
            for cut in cuts.into_iter().chain([stream.len()]) {
                buffer.push(&stream[from..cut]);
                drain(&mut buffer, &mut lines).unwrap();
                from = cut;
            }
            let mut whole: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
            let rest = whole.pop().unwrap();
            let whole: Vec<&[u8]> = whole.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
            prop_assert_eq!(lines, whole);
            prop_assert_eq!(buffer.bytes, rest);
        }
    }
}
