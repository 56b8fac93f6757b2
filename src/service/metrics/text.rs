//! The text format.

use std::fmt::Write;
use std::time::Duration;

use super::whole;
use crate::histogram::{BOUNDS_MS, Counted};

/// What a family is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Only grows, until a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts lengths of time.
    Histogram,
}

/// A text being written, family by family.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
    family: &'static str,
}

impl Text {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        // Writing into a string cannot fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.series("", labels, value);
    }

    /// The samples of a histogram with these labels.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], counted: &Counted) {
        let bounds = BOUNDS_MS.map(|bound| format!("{}", Duration::from_millis(bound).as_secs_f64()));
        let counts = bounds.iter().map(String::as_str).zip(counted.up_to).chain([("+Inf", counted.count)]);
        for (bound, count) in counts {
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", bound)]).collect();
            self.series("_bucket", &labels, whole(count));
        }
        self.series("_sum", labels, counted.sum.as_secs_f64());
        self.series("_count", labels, whole(counted.count));
    }

    fn series(&mut self, end: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.family);
        self.out.push_str(end);
        for (nth, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{name}=\"{}\"", if nth == 0 { '{' } else { ',' }, escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.out, "{end} {value}");
    }

    /// A family of one sample without labels.
    pub(super) fn one(&mut self, name: &'static str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    #[test]
    fn samples_are_written_as_the_format_wants_them() {
        let mut text = Text::default();
        text.family("x_total", Kind::Counter, "What it is.");
        text.sample(&[("node", "a\"b\\c\nd"), ("coin", "e")], 1.5);
        text.one("y", Kind::Gauge, "Another.", 3e21);
        text.family("z_seconds", Kind::Histogram, "Lengths.");
        let times = Histogram::default();
        times.observe(Duration::from_millis(2_000));
        text.histogram(&[("node", "a")], &times.counted());
        let want = "# HELP x_total What it is.\n# TYPE x_total counter\nx_total{node=\"a\\\"b\\\\c\\nd\",coin=\"e\"} 1.5\n\
                    # HELP y Another.\n# TYPE y gauge\ny 3000000000000000000000\n\
                    # HELP z_seconds Lengths.\n# TYPE z_seconds histogram\nz_seconds_bucket{node=\"a\",le=\"0.001\"} 0\n";
        let text = text.finish();
        assert!(text.starts_with(want), "{text}");
        let end = "z_seconds_bucket{node=\"a\",le=\"1\"} 0\nz_seconds_bucket{node=\"a\",le=\"2.5\"} 1\n\
                   z_seconds_bucket{node=\"a\",le=\"5\"} 1\nz_seconds_bucket{node=\"a\",le=\"10\"} 1\n\
                   z_seconds_bucket{node=\"a\",le=\"+Inf\"} 1\nz_seconds_sum{node=\"a\"} 2\nz_seconds_count{node=\"a\"} 1\n";
        assert!(text.ends_with(end), "{text}");
    }
}
