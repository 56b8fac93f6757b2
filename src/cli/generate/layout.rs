//! A manual page as clap's generator renders it, laid out as its texts are meant: blocks that are indented stay as they
//! are written, and examples and exit codes stand in the sections where readers of manuals look for them.

/// The page laid out.
pub(super) fn laid_out(page: &str) -> String {
    let mut sheet = Sheet { out: String::new(), section: Section::Other, is_verbatim: false, gap: false };
    page.lines().for_each(|line| sheet.take(line));
    sheet.end_verbatim();
    sheet.out
}

/// What stands where the next line goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// One of the generator's own.
    Other,
    /// Its section for the text behind the help, whose head is held back until it is known what is in it.
    Extra,
    Examples,
    Notes,
    ExitStatus,
}

struct Sheet {
    out: String,
    section: Section,
    /// Whether a block is open that is shown as it is written.
    is_verbatim: bool,
    /// Whether an empty line came, which is said once something follows it.
    gap: bool,
}

impl Sheet {
    fn take(&mut self, line: &str) {
        if line.trim().is_empty() {
            self.end_verbatim();
            self.gap = true;
        } else if line.starts_with("  ") {
            self.verbatim(line);
        } else {
            self.end_verbatim();
            self.plain(line);
        }
    }

    /// A line at the margin: text, or a command to the formatter.
    fn plain(&mut self, line: &str) {
        if line == ".SH EXTRA" {
            self.section = Section::Extra;
        } else if line == "Examples:" {
            self.turn_to(Section::Examples, "EXAMPLES");
        } else if let Some(codes) = line.strip_prefix("Exit codes: ") {
            self.turn_to(Section::ExitStatus, "\"EXIT STATUS\"");
            self.put(codes);
        } else if line.starts_with(".SH ") {
            self.section = Section::Other;
            self.gap = false;
            self.put(line);
        } else {
            if matches!(self.section, Section::Extra | Section::Examples) {
                self.turn_to(Section::Notes, "NOTES");
            }
            self.paragraph();
            self.put(line);
            if line.starts_with(".TH ") {
                // Words of commands that are hyphenated cannot be copied.
                self.put(".nh");
            }
        }
    }

    fn verbatim(&mut self, line: &str) {
        if !self.is_verbatim {
            self.paragraph();
            self.put(".nf");
            self.is_verbatim = true;
        }
        self.put(line);
    }

    fn end_verbatim(&mut self) {
        if std::mem::take(&mut self.is_verbatim) {
            self.put(".fi");
        }
    }

    fn turn_to(&mut self, section: Section, head: &str) {
        self.section = section;
        self.gap = false;
        self.put(&format!(".SH {head}"));
    }

    fn paragraph(&mut self) {
        if std::mem::take(&mut self.gap) {
            self.put(".PP");
        }
    }

    fn put(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stay_as_they_are_written_and_stand_under_their_heads() {
        let page = "\
.TH a 8
.SH DESCRIPTION
Words:
  1. first
     goes on
.PP
More.
.SH EXTRA
Examples:
  a \\-\\-b   c

Words at the end:
  d

Exit codes: 0 good, 1 bad,
2 worse.
.SH VERSION
v1
";
        let expected = "\
.TH a 8
.nh
.SH DESCRIPTION
Words:
.nf
  1. first
     goes on
.fi
.PP
More.
.SH EXAMPLES
.nf
  a \\-\\-b   c
.fi
.SH NOTES
Words at the end:
.nf
  d
.fi
.SH \"EXIT STATUS\"
0 good, 1 bad,
2 worse.
.SH VERSION
v1
";
        assert_eq!(laid_out(page), expected);
        assert_eq!(laid_out(".SH EXTRA\nA.\n\nB.\n"), ".SH NOTES\nA.\n.PP\nB.\n");
    }
}
