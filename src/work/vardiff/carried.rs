//! An estimate on its way from one life of the daemon to the next.

use super::{Estimator, SHARES_KEPT_MAX};
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::difficulty::Difficulty;

impl Estimator {
    /// Writes everything it knows.
    pub fn carry(&self, writer: &mut Writer) {
        let Self {
            difficulty,
            exposure,
            since,
            paused,
            shares,
            gap,
            gaps,
            spread,
            part: _,
            long,
            fallen,
            changed,
            lowered,
        } = self;
        writer.f64(difficulty.get());
        writer.f64(*exposure);
        writer.time(*since);
        writer.bool(*paused);
        writer.list(shares.iter(), |writer, share| writer.f64(*share));
        writer.option(*gap, Writer::f64);
        writer.f64(*gaps);
        writer.f64(*spread);
        writer.u64(long.0);
        writer.f64(long.1);
        writer.f64(*fallen);
        writer.time(*changed);
        writer.time(*lowered);
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is damaged.
    pub fn carried(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let difficulty = Difficulty::new(reader.f64()?).ok_or_else(|| reader.damaged("a difficulty"))?;
        Ok(Self {
            difficulty,
            exposure: reader.f64()?,
            since: reader.time()?,
            paused: reader.bool()?,
            shares: reader.list(SHARES_KEPT_MAX + 1, Reader::f64)?,
            gap: reader.option(Reader::f64)?,
            gaps: reader.f64()?,
            spread: reader.f64()?,
            part: 0.0,
            long: (reader.u64()?, reader.f64()?),
            fallen: reader.f64()?,
            changed: reader.time()?,
            lowered: reader.time()?,
        })
    }
}
