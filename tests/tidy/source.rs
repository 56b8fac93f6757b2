//! A Rust source as the rules see it: code, comments and text apart, test code marked.

/// A source file.
pub struct File {
    /// Path from the crate's root, `src/mpos/sink.rs`.
    pub path: String,
    /// The file as it is.
    pub text: String,
    /// The file with comments and the insides of text and character literals blanked; same lines, same offsets.
    pub code: String,
    /// `code` with test modules blanked as well; blank for files that hold only tests.
    pub production: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let is_test = path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let production = if is_test { blank(&code) } else { blank_test_modules(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, production }
    }

    /// The line of an offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }

    /// The modules above and of this file: `["mpos", "sink"]`; empty for the crate's root.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")).unwrap_or_default();
        path.split('/').filter(|part| !["mod", "lib", "main", ""].contains(part)).collect()
    }
}

/// Whether a byte can be part of a name.
pub fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Offsets at which `needle` stands in `text`; where it begins or ends with a letter, not as a part of a longer name.
pub fn find(text: &str, needle: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let (first, last) = (needle.as_bytes()[0], needle.as_bytes()[needle.len() - 1]);
    let stands_alone = |at: usize| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(at + needle.len());
        let goes_on_before = is_name(first) && before.is_some_and(is_name);
        let goes_on_after = is_name(last) && after.is_some_and(|&after| is_name(after));
        !goes_on_before && !goes_on_after
    };
    text.match_indices(needle).map(|(at, _)| at).filter(|&at| stands_alone(at)).collect()
}

/// The offset of the brace that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Everything but line ends as spaces, one for each byte.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(text, at).filter(|&end| end > at);
        match end {
            Some(end) => code.push_str(&blank(&text[at..end])),
            None => {
                let end = (at + 1..=text.len()).find(|&end| text.is_char_boundary(end)).unwrap_or(text.len());
                // Letters outside ASCII are blanked too, so that offsets stay what they are.
                code.push_str(&if end - at == 1 { text[at..end].to_owned() } else { blank(&text[at..end]) });
                at = end;
                continue;
            }
        }
        at = end.unwrap_or(text.len());
    }
    code
}

/// The end of the comment or literal that begins at `at`, if one does.
fn skipped(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let until = |end: Option<usize>| Some(end.map_or(text.len(), |end| at + end));
    if rest.starts_with("//") {
        return until(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return Some(at + block_comment(rest));
    }
    let in_name = at > 0 && is_name(text.as_bytes()[at - 1]);
    let raw = ["r", "br", "cr"].into_iter().find_map(|prefix| {
        let hashes = rest.strip_prefix(prefix)?.bytes().take_while(|&byte| byte == b'#').count();
        rest[prefix.len() + hashes..].starts_with('"').then_some((prefix.len() + hashes + 1, hashes))
    });
    if let (Some((start, hashes)), false) = (raw, in_name) {
        let end = format!("\"{}", "#".repeat(hashes));
        return until(rest[start..].find(&end).map(|found| start + found + end.len()));
    }
    if rest.starts_with('"') {
        return until(quoted(rest, '"'));
    }
    if rest.starts_with('\'') {
        // A lifetime has no quote after its first letter, a character literal has one or begins with `\`.
        let mut letters = rest.chars().skip(1);
        let (first, second) = (letters.next()?, letters.next());
        return (first == '\\' || second == Some('\'')).then(|| until(quoted(rest, '\''))).flatten();
    }
    None
}

/// The length of a literal in `quote`s at the start of `rest`.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of a block comment at the start of `rest`; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Blanks every item under `#[cfg(test)]`.
fn blank_test_modules(code: &str) -> String {
    let mut production = code.to_owned();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let item = &code[start..];
        let end = match (item.find('{'), item.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                closing(code, start + open)
            }
            (_, semicolon) => semicolon.map(|semicolon| start + semicolon),
        };
        let end = end.map_or(code.len(), |end| end + 1);
        production.replace_range(start..end, &blank(&code[start..end]));
    }
    production
}

#[test]
fn code_is_told_from_comments_text_and_tests() {
    let text = "let a = \"b // { \\\" \"; // c { }\n/* d /* e */ f */ let g = 'h'; let i: &'static str = r#\"j \" { \"#;\n\
                #[cfg(test)]\nmod tests { fn k() { } }\nfn l() {}\n";
    let file = File::new("src/x/y.rs", text);
    assert_eq!(file.code.len(), text.len());
    for code in ["let a", "let g", "&'static str", "mod tests", "fn k", "fn l"] {
        assert!(file.code.contains(code), "{code}: {}", file.code);
    }
    for blanked in ["b", "c", "d", "e {", "f */", "'h'", "j"] {
        assert!(!file.code.contains(&format!(" {blanked} ")), "{blanked}: {}", file.code);
    }
    assert!(!file.production.contains("fn k") && file.production.contains("fn l"));
    assert_eq!(file.line(text.find("fn l").unwrap()), 5);
    assert_eq!(file.module(), ["x", "y"]);
    assert!(File::new("src/x/tests.rs", text).production.trim().is_empty());
}
