//! Values one after the other as bytes, and back: numbers little-endian, texts and bytes behind their length, an
//! option behind a byte that is 0 or 1. What is read was written by another process, so nothing about it is believed.

/// What is read is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged at byte {at}: {what}")]
pub struct Damaged {
    /// Bytes that could be read before.
    pub at: usize,
    /// What should have come.
    pub what: &'static str,
}

/// Collects values.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// The bytes of everything that was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes as they are; the reader must know how many.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// The bits of a floating-point number.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// Yes or no.
    pub fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }

    /// How many values follow. More than a `u32` holds do not fit into memory.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Bytes with their number.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A time to the nanosecond.
    pub fn time(&mut self, time: std::time::Duration) {
        self.u64(time.as_secs());
        self.u32(time.subsec_nanos());
    }

    /// A value that may be missing.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Values with their number.
    pub fn list<T>(&mut self, values: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.count(values.len());
        values.for_each(|value| write(self, value));
    }
}

/// Reads values back.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the first on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// The error that something else than `what` stands here.
    pub fn damaged(&self, what: &'static str) -> Damaged {
        Damaged { at: self.at, what }
    }

    /// So many bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.damaged("more bytes"))?;
        self.rest = rest;
        self.at += count;
        Ok(taken)
    }

    /// An array of bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let damaged = self.damaged("more bytes");
        self.raw(N)?.try_into().map_err(|_| damaged)
    }

    /// A byte.
    ///
    /// # Errors
    /// There is none.
    pub fn u8(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_le_bytes)
    }

    /// A finite number.
    ///
    /// # Errors
    /// It is not finite, or not there.
    pub fn f64(&mut self) -> Result<f64, Damaged> {
        let value = f64::from_bits(self.u64()?);
        if value.is_finite() { Ok(value) } else { Err(self.damaged("a finite number")) }
    }

    /// Yes or no.
    ///
    /// # Errors
    /// It is neither.
    pub fn bool(&mut self) -> Result<bool, Damaged> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("yes or no")),
        }
    }

    /// A number of values of which each takes at least a byte, at most `most`.
    ///
    /// # Errors
    /// It is larger, or than what is left.
    pub fn count(&mut self, most: usize) -> Result<usize, Damaged> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if count <= most && count <= self.rest.len() { Ok(count) } else { Err(self.damaged("a smaller number")) }
    }

    /// At most so many bytes.
    ///
    /// # Errors
    /// There are more, or fewer than their number says.
    pub fn bytes(&mut self, most: usize) -> Result<&'a [u8], Damaged> {
        let count = self.count(most)?;
        self.raw(count)
    }

    /// A text of at most so many bytes.
    ///
    /// # Errors
    /// It is longer, or no UTF-8.
    pub fn text(&mut self, most: usize) -> Result<&'a str, Damaged> {
        let bytes = self.bytes(most)?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged("a text"))
    }

    /// A time.
    ///
    /// # Errors
    /// It is none.
    pub fn time(&mut self) -> Result<std::time::Duration, Damaged> {
        let (secs, nanos) = (self.u64()?, self.u32()?);
        // Sums of times must not overflow: a few thousand years are enough.
        if nanos < 1_000_000_000 && secs < 1 << 40 {
            Ok(std::time::Duration::new(secs, nanos))
        } else {
            Err(self.damaged("a time"))
        }
    }

    /// A value that may be missing.
    ///
    /// # Errors
    /// It is damaged.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Damaged>) -> Result<Option<T>, Damaged> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// At most so many values.
    ///
    /// # Errors
    /// There are more, or one is damaged.
    pub fn list<T, C: FromIterator<T>>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Damaged>,
    ) -> Result<C, Damaged> {
        let count = self.count(most)?;
        (0..count).map(|_| read(self)).collect()
    }

    /// Nothing follows.
    ///
    /// # Errors
    /// Something does.
    pub fn end(&self) -> Result<(), Damaged> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged("the end")) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_every_shorter_one_is_damaged() {
        let mut writer = Writer::default();
        writer.u8(7);
        writer.u32(8);
        writer.u64(9);
        writer.f64(-1.5);
        writer.text("ä");
        writer.time(Duration::new(3, 5));
        writer.option(Some(1), Writer::u8);
        writer.option(None, Writer::u8);
        writer.list([1, 2].iter(), |writer, value| writer.u32(*value));
        let bytes = writer.into_bytes();
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let numbers = (reader.u8()?, reader.u32()?, reader.u64()?, reader.f64()?);
            let text = reader.text(2)?.to_owned();
            let time = reader.time()?;
            let options = (reader.option(Reader::u8)?, reader.option(Reader::u8)?);
            let list: Vec<u32> = reader.list(2, Reader::u32)?;
            reader.end()?;
            Ok::<_, Damaged>((numbers, text, time, options, list))
        };
        let expected = ((7, 8, 9, -1.5), "ä".to_owned(), Duration::new(3, 5), (Some(1), None), vec![1, 2]);
        assert_eq!(read(&bytes), Ok(expected));
        assert!((0..bytes.len()).all(|end| read(&bytes[..end]).is_err()));
        assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn lies_about_lengths_and_numbers_are_found_before_memory_is_taken() {
        assert!(Reader::new(&[255, 255, 255, 255]).bytes(usize::MAX).is_err());
        assert!(Reader::new(&[3, 0, 0, 0, 1, 2, 3]).bytes(2).is_err());
        assert!(Reader::new(&f64::NAN.to_bits().to_le_bytes()).f64().is_err());
        assert!(Reader::new(&[2]).bool().is_err());
        assert!(Reader::new(&[0xff; 12]).time().is_err());
    }
}
