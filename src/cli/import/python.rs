//! Assignments of literals, as in stratum-mining's `conf/config.py`. Everything else that Python can do
//! is passed over and noted; nothing is executed.

use super::value::{Broken, Cursor, Node, Settings, Stop, Value, number};

const COMPUTED: &str = "is computed, and nothing is executed here";

/// Reads a file: its assignments at the left margin, in their order.
pub(super) fn read(text: &str) -> Result<Settings, Broken> {
    let mut cursor = Cursor::new(text);
    let mut entries: Vec<(String, Node)> = Vec::new();
    let mut skipped = Vec::new();
    let mut begins_line = true;
    loop {
        let indent = cursor.take_while(|letter| letter == ' ' || letter == '\t');
        let is_indented = begins_line && !indent.is_empty();
        begins_line = false;
        match cursor.peek() {
            None => break,
            Some(letter @ ('\n' | '\r' | ';')) => {
                cursor.bump();
                begins_line = letter == '\n';
            }
            Some('#') => {
                cursor.take_while(|letter| letter != '\n');
            }
            Some(_) if is_indented => {
                skipped.push((cursor.line(), "is indented, so it belongs to a condition or function"));
                skip(&mut cursor)?;
            }
            Some(_) => statement(&mut cursor, &mut entries, &mut skipped)?,
        }
    }
    Ok(Settings { root: Node { line: 1, value: Value::Table(entries) }, skipped })
}

fn blanks(cursor: &mut Cursor<'_>) {
    loop {
        cursor.take_while(|letter| letter == ' ' || letter == '\t');
        if !cursor.eat("\\\r\n") && !cursor.eat("\\\n") {
            return;
        }
    }
}

/// Blanks, newlines and comments, as they may stand inside brackets.
fn blank_lines(cursor: &mut Cursor<'_>) {
    loop {
        cursor.take_while(char::is_whitespace);
        if cursor.peek() == Some('#') {
            cursor.take_while(|letter| letter != '\n');
        } else if !cursor.eat("\\\n") {
            return;
        }
    }
}

fn statement(
    cursor: &mut Cursor<'_>,
    entries: &mut Vec<(String, Node)>,
    skipped: &mut Vec<(usize, &'static str)>,
) -> Result<(), Broken> {
    let line = cursor.line();
    let is_text = matches!(cursor.peek(), Some('"' | '\''));
    let mut names = Vec::new();
    loop {
        let before = cursor.clone();
        let name = cursor.take_while(is_name);
        blanks(cursor);
        let assigned = !name.is_empty() && cursor.peek() == Some('=') && cursor.second() != Some('=');
        if !assigned {
            cursor.return_to(&before);
            break;
        }
        cursor.bump();
        blanks(cursor);
        cursor.count(0)?;
        names.push(name.to_owned());
    }
    if names.is_empty() {
        if !is_text {
            skipped.push((line, "is not an assignment of a setting"));
        }
        return skip(cursor);
    }
    let before = cursor.clone();
    let node = match expression(cursor, entries) {
        Ok(node) => node,
        Err(Stop::Broken(broken)) => return Err(broken),
        Err(Stop::NoLiteral(why)) => {
            cursor.return_to(&before);
            skip(cursor)?;
            Node { line, value: Value::Unread(why) }
        }
    };
    if let Some((last, others)) = names.split_last() {
        entries.extend(others.iter().map(|name| (name.clone(), node.referred(line))));
        entries.push((last.clone(), node));
    }
    Ok(())
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A literal with nothing behind it.
fn expression(cursor: &mut Cursor<'_>, known: &[(String, Node)]) -> Result<Node, Stop> {
    let first = value(cursor, known, 0)?;
    blanks(cursor);
    match cursor.peek() {
        None | Some('\n' | '\r' | ';' | '#') => Ok(first),
        Some(')' | ']' | '}') => Err(cursor.expected("the end of the line").into()),
        Some(',') => Err(Stop::NoLiteral("is a list without brackets")),
        Some(_) => Err(Stop::NoLiteral(COMPUTED)),
    }
}

fn value(cursor: &mut Cursor<'_>, known: &[(String, Node)], depth: usize) -> Result<Node, Stop> {
    cursor.count(depth)?;
    let line = cursor.line();
    let value = match cursor.peek() {
        Some('"' | '\'') => Value::Text(strings(cursor)?),
        Some('[') => Value::List(items(cursor, known, depth, ']')?),
        Some('(') => tuple(items(cursor, known, depth, ')')?),
        Some('{') => table(cursor, known, depth)?,
        Some(letter) if letter.is_ascii_digit() || "+-.".contains(letter) => a_number(cursor)?,
        Some(letter) if is_name(letter) => return word(cursor, known, line),
        _ => return Err(cursor.expected("a value").into()),
    };
    Ok(Node { line, value })
}

/// `(x)` is x.
fn tuple(mut items: Vec<Node>) -> Value {
    match items.pop() {
        Some(only) if items.is_empty() => only.value,
        last => {
            items.extend(last);
            Value::List(items)
        }
    }
}

fn word(cursor: &mut Cursor<'_>, known: &[(String, Node)], line: usize) -> Result<Node, Stop> {
    let name = cursor.take_while(is_name);
    let value = match name {
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        "None" => Value::Nothing,
        _ if matches!(cursor.peek(), Some('"' | '\'')) => match name.to_ascii_lowercase().as_str() {
            "u" | "b" => Value::Text(strings(cursor)?),
            "r" | "br" | "rb" | "ur" => Value::Text(string(cursor, true)?),
            _ => return Err(Stop::NoLiteral(COMPUTED)),
        },
        _ if matches!(cursor.peek(), Some('(' | '[' | '.')) => return Err(Stop::NoLiteral(COMPUTED)),
        _ => match known.iter().rev().find(|(other, _)| other == name) {
            Some((_, node)) => return Ok(node.referred(line)),
            None => return Err(Stop::NoLiteral("is a name that has no value in this file")),
        },
    };
    Ok(Node { line, value })
}

fn a_number(cursor: &mut Cursor<'_>) -> Result<Value, Stop> {
    let here = cursor.broken("this is not a number");
    let sign = cursor.take_while(|letter| "+-".contains(letter)).matches('-').count() % 2 == 1;
    let mut written = cursor.take_while(|letter| is_name(letter) || letter == '.').to_owned();
    let hex = written.starts_with("0x") || written.starts_with("0X");
    if !hex && written.ends_with(['e', 'E']) && matches!(cursor.peek(), Some('+' | '-')) {
        written.extend(cursor.bump());
        written.push_str(cursor.take_while(|letter| letter.is_ascii_digit()));
    }
    match number(&written) {
        Some(number) if sign => Ok(Value::Number(-number, format!("-{written}"))),
        Some(number) => Ok(Value::Number(number, written)),
        None => Err(here.into()),
    }
}

fn items(cursor: &mut Cursor<'_>, known: &[(String, Node)], depth: usize, end: char) -> Result<Vec<Node>, Stop> {
    let opened = cursor.broken("a bracket is opened here that is never closed");
    cursor.bump();
    let mut items = Vec::new();
    loop {
        blank_lines(cursor);
        match cursor.peek() {
            None => return Err(opened.into()),
            Some(letter) if letter == end => {
                cursor.bump();
                return Ok(items);
            }
            Some(_) => items.push(value(cursor, known, depth + 1)?),
        }
        blank_lines(cursor);
        behind_item(cursor, &opened, end)?;
    }
}

/// A comma, or the end that is still to be read.
fn behind_item(cursor: &mut Cursor<'_>, opened: &Broken, end: char) -> Result<(), Stop> {
    match cursor.peek() {
        Some(',') => {
            cursor.bump();
            Ok(())
        }
        Some(letter) if letter == end => Ok(()),
        None => Err(opened.clone().into()),
        Some('=' | ':' | ')' | ']' | '}') => Err(cursor.expected("a comma").into()),
        Some(_) => Err(Stop::NoLiteral(COMPUTED)),
    }
}

fn table(cursor: &mut Cursor<'_>, known: &[(String, Node)], depth: usize) -> Result<Value, Stop> {
    let opened = cursor.broken("a bracket is opened here that is never closed");
    cursor.bump();
    let mut entries = Vec::new();
    loop {
        blank_lines(cursor);
        match cursor.peek() {
            None => return Err(opened.into()),
            Some('}') => {
                cursor.bump();
                return Ok(Value::Table(entries));
            }
            Some(_) => {}
        }
        let name = match value(cursor, known, depth + 1)?.value {
            Value::Text(text) | Value::Number(_, text) => text,
            _ => return Err(Stop::NoLiteral(COMPUTED)),
        };
        blank_lines(cursor);
        if !cursor.eat(":") {
            return Err(cursor.expected("a colon").into());
        }
        blank_lines(cursor);
        entries.push((name, value(cursor, known, depth + 1)?));
        blank_lines(cursor);
        behind_item(cursor, &opened, '}')?;
    }
}

/// Texts side by side are one.
fn strings(cursor: &mut Cursor<'_>) -> Result<String, Broken> {
    let mut text = string(cursor, false)?;
    loop {
        let before = cursor.clone();
        blanks(cursor);
        if !matches!(cursor.peek(), Some('"' | '\'')) {
            cursor.return_to(&before);
            return Ok(text);
        }
        text.push_str(&string(cursor, false)?);
    }
}

fn string(cursor: &mut Cursor<'_>, raw: bool) -> Result<String, Broken> {
    let start = cursor.broken("text begins here whose closing quote is missing");
    let triple = ["\"\"\"", "'''"].into_iter().find(|quotes| cursor.starts(quotes));
    let quote = match triple {
        Some(quotes) => quotes,
        None if cursor.starts("'") => "'",
        None => "\"",
    };
    cursor.eat(quote);
    let mut text = String::new();
    loop {
        if cursor.eat(quote) {
            return Ok(text);
        }
        match cursor.bump() {
            None => return Err(start),
            Some('\n') if triple.is_none() => return Err(start),
            Some('\\') if raw => {
                text.push('\\');
                text.extend(cursor.bump());
            }
            Some('\\') => escape(cursor, &mut text).ok_or_else(|| start.clone())?,
            Some(letter) => text.push(letter),
        }
    }
}

/// What stands behind a backslash; unknown ones stand for themselves. `None` at the end of the file.
fn escape(cursor: &mut Cursor<'_>, text: &mut String) -> Option<()> {
    let letter = cursor.bump()?;
    let digits = match letter {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    match letter {
        '\n' => {}
        'n' => text.push('\n'),
        't' => text.push('\t'),
        'r' => text.push('\r'),
        '\\' | '\'' | '"' => text.push(letter),
        _ => {
            let mut ahead = cursor.clone();
            let mut code = 0u32;
            let read = (0..digits).try_for_each(|_| {
                code = code.checked_mul(16)?.checked_add(ahead.bump()?.to_digit(16)?)?;
                Some(())
            });
            match read.and_then(|()| char::from_u32(code)) {
                Some(letter) if digits > 0 => {
                    cursor.return_to(&ahead);
                    text.push(letter);
                }
                _ => text.extend(['\\', letter]),
            }
        }
    }
    Some(())
}

/// Passes over a statement to the end of its line, strings and brackets included.
fn skip(cursor: &mut Cursor<'_>) -> Result<(), Broken> {
    let mut depth = 0usize;
    let opened = cursor.broken("a bracket is opened in this statement that is never closed");
    loop {
        match cursor.peek() {
            Some('"' | '\'') => {
                string(cursor, false)?;
                continue;
            }
            Some('#') => {
                cursor.take_while(|letter| letter != '\n');
                continue;
            }
            None if depth > 0 => return Err(opened),
            None | Some('\n') if depth == 0 => return Ok(()),
            Some('(' | '[' | '{') => depth += 1,
            Some(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Some('\\') => {
                cursor.bump();
            }
            _ => {}
        }
        cursor.bump();
    }
}
