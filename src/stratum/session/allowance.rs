//! How many refused shares of one connection become rows.

use std::time::Duration;

use crate::bytes::fields::{Damaged, Reader, Writer};

/// Refused shares of a connection that become rows at once. Honest miners stay far below; beyond it
/// a refusal is answered but not written down, so that nobody can push his neighbours' shares back in
/// the line to the database, or fill the spool, with submits that cost him no work.
pub const REFUSED_ROWS_MAX: u32 = 500;
/// After so long one more may become a row.
const ROW_INTERVAL: Duration = Duration::from_secs(1);

/// The rows that are left to refused shares.
#[derive(Debug)]
pub struct Allowance {
    left: u32,
    /// When it last grew.
    grown_at: Duration,
}

impl Allowance {
    /// A full one.
    pub fn new(now: Duration) -> Self {
        Self { left: REFUSED_ROWS_MAX, grown_at: now }
    }

    /// Writes it, for the daemon's next life.
    pub fn carry(&self, writer: &mut Writer) {
        writer.u32(self.left);
        writer.time(self.grown_at);
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is damaged.
    pub fn carried(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { left: reader.u32()?.min(REFUSED_ROWS_MAX), grown_at: reader.time()? })
    }

    /// Takes one row, if any is left.
    pub fn take(&mut self, now: Duration) -> bool {
        let grown = now.saturating_sub(self.grown_at).as_secs() / ROW_INTERVAL.as_secs();
        if grown > 0 {
            self.left = u32::try_from(grown).unwrap_or(u32::MAX).saturating_add(self.left).min(REFUSED_ROWS_MAX);
            self.grown_at = now;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_its_share_at_once_and_then_a_row_a_second() {
        let mut allowance = Allowance::new(Duration::ZERO);
        let mut taken = |secs| (0..2000).filter(|_| allowance.take(Duration::from_secs(secs))).count();
        assert_eq!(taken(0), 500);
        assert_eq!(taken(1), 1);
        assert_eq!(taken(11), 10);
        assert_eq!(taken(1_000_000), 500);
    }
}
