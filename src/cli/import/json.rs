//! JSON as NOMP reads it: with `//` and `/* */` comments, and besides with trailing commas.

use super::value::{Broken, Cursor, Node, Value};

/// Reads a file. Its root is a table.
pub(super) fn read(text: &str) -> Result<Node, Broken> {
    let mut cursor = Cursor::new(text);
    blanks(&mut cursor)?;
    if cursor.peek() != Some('{') {
        return Err(cursor.expected("{"));
    }
    let root = value(&mut cursor, 0)?;
    blanks(&mut cursor)?;
    if cursor.peek().is_some() {
        return Err(cursor.expected("nothing behind the last }"));
    }
    Ok(root)
}

fn blanks(cursor: &mut Cursor<'_>) -> Result<(), Broken> {
    loop {
        cursor.take_while(char::is_whitespace);
        if cursor.eat("//") {
            cursor.take_while(|letter| letter != '\n');
        } else if cursor.starts("/*") {
            let start = cursor.broken("a comment begins here that never ends");
            if !cursor.pass("*/") {
                return Err(start);
            }
        } else {
            return Ok(());
        }
    }
}

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Node, Broken> {
    cursor.count(depth)?;
    let line = cursor.line();
    let value = match cursor.peek() {
        Some('{') => table(cursor, depth)?,
        Some('[') => list(cursor, depth)?,
        Some('"') => Value::Text(string(cursor)?),
        Some(letter) if letter.is_ascii_digit() || letter == '-' => number(cursor)?,
        _ => word(cursor)?,
    };
    Ok(Node { line, value })
}

fn word(cursor: &mut Cursor<'_>) -> Result<Value, Broken> {
    let here = cursor.expected("a value");
    match cursor.take_while(|letter| letter.is_ascii_alphanumeric()) {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        "null" => Ok(Value::Nothing),
        _ => Err(here),
    }
}

fn number(cursor: &mut Cursor<'_>) -> Result<Value, Broken> {
    let here = cursor.broken("this is not a number of JSON");
    let written = cursor.take_while(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Number(number, written.to_owned())),
        _ => Err(here),
    }
}

fn table(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Broken> {
    let opened = cursor.line();
    cursor.bump();
    let mut entries = Vec::new();
    loop {
        blanks(cursor)?;
        if cursor.eat("}") {
            return Ok(Value::Table(entries));
        }
        if cursor.peek() != Some('"') {
            return Err(unclosed(cursor, opened, "a name in double quotes or }"));
        }
        let name = string(cursor)?;
        blanks(cursor)?;
        if !cursor.eat(":") {
            return Err(unclosed(cursor, opened, "a colon behind the name"));
        }
        blanks(cursor)?;
        entries.push((name, value(cursor, depth + 1)?));
        blanks(cursor)?;
        if !cursor.eat(",") && cursor.peek() != Some('}') {
            return Err(unclosed(cursor, opened, "a comma or }"));
        }
    }
}

fn list(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Broken> {
    let opened = cursor.line();
    cursor.bump();
    let mut items = Vec::new();
    loop {
        blanks(cursor)?;
        if cursor.eat("]") {
            return Ok(Value::List(items));
        }
        items.push(value(cursor, depth + 1)?);
        blanks(cursor)?;
        if !cursor.eat(",") && cursor.peek() != Some(']') {
            return Err(unclosed(cursor, opened, "a comma or ]"));
        }
    }
}

/// A mistake inside a bracket; names the line of the bracket if the file ends before it does.
fn unclosed(cursor: &Cursor<'_>, opened: usize, expected: &str) -> Broken {
    let mut broken = cursor.expected(expected);
    if cursor.peek().is_none() {
        broken.what.push_str(&format!("; the bracket of line {opened} is never closed"));
    }
    broken
}

fn string(cursor: &mut Cursor<'_>) -> Result<String, Broken> {
    let start = cursor.broken("text begins here whose closing quote is missing");
    cursor.bump();
    let mut text = String::new();
    loop {
        match cursor.bump() {
            Some('"') => return Ok(text),
            Some('\\') => text.push(escape(cursor)?),
            None | Some('\n') => return Err(start),
            Some(letter) => text.push(letter),
        }
    }
}

fn escape(cursor: &mut Cursor<'_>) -> Result<char, Broken> {
    let here = cursor.broken("a backslash in text that JSON does not know; a backslash itself is written twice");
    Ok(match cursor.bump() {
        Some(letter @ ('"' | '\\' | '/')) => letter,
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('u') => {
            let first = code_unit(cursor).ok_or_else(|| here.clone())?;
            let is_high = (0xd800..0xdc00).contains(&first);
            let units = if is_high && cursor.eat("\\u") {
                [first, code_unit(cursor).ok_or_else(|| here.clone())?]
            } else {
                [first, 0]
            };
            let length = if is_high { 2 } else { 1 };
            char::decode_utf16(units.into_iter().take(length)).next().and_then(Result::ok).ok_or(here)?
        }
        _ => return Err(here),
    })
}

fn code_unit(cursor: &mut Cursor<'_>) -> Option<u16> {
    let mut unit = 0u16;
    for _ in 0..4 {
        let digit = cursor.peek()?.to_digit(16)?;
        cursor.bump();
        unit = unit << 4 | u16::try_from(digit).ok()?;
    }
    Some(unit)
}
