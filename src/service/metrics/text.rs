//! The text format.

use std::fmt::Write;

/// What a family is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Only grows, until a restart.
    Counter,
    /// Goes up and down.
    Gauge,
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
        };
        self.family = name;
        // Writing into a string cannot fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.family);
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

    #[test]
    fn samples_are_written_as_the_format_wants_them() {
        let mut text = Text::default();
        text.family("x_total", Kind::Counter, "What it is.");
        text.sample(&[("node", "a\"b\\c\nd"), ("coin", "e")], 1.5);
        text.one("y", Kind::Gauge, "Another.", 3e21);
        let want = "# HELP x_total What it is.\n# TYPE x_total counter\nx_total{node=\"a\\\"b\\\\c\\nd\",coin=\"e\"} 1.5\n\
                    # HELP y Another.\n# TYPE y gauge\ny 3000000000000000000000\n";
        assert_eq!(text.finish(), want);
    }
}
