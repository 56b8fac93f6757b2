//! `$config['a']['b'] = literal;`, as in MPOS's `global.inc.php`. Everything else that PHP can do is passed
//! over and noted; nothing is executed.

use super::value::{Broken, Cursor, Node, Settings, Stop, Value, number};

const COMPUTED: &str = "is computed, and nothing is executed here";

/// Reads a file: every assignment to a part of `$config` that stands by itself.
pub(super) fn read(text: &str) -> Result<Settings, Broken> {
    let mut cursor = Cursor::new(text);
    let mut root = Node { line: 1, value: Value::Table(Vec::new()) };
    let mut skipped = Vec::new();
    if !cursor.pass("<?php") && !cursor.pass("<?") {
        return Err(cursor.broken("no `<?php`: this is not a PHP file"));
    }
    loop {
        blanks(&mut cursor)?;
        if cursor.peek().is_none() {
            return Ok(Settings { root, skipped });
        }
        if cursor.eat("?>") {
            if !cursor.pass("<?php") {
                return Ok(Settings { root, skipped });
            }
        } else if !cursor.eat(";") {
            statement(&mut cursor, &mut root, &mut skipped)?;
        }
    }
}

fn blanks(cursor: &mut Cursor<'_>) -> Result<(), Broken> {
    loop {
        cursor.take_while(char::is_whitespace);
        if cursor.starts("//") || cursor.starts("#") {
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

fn statement(cursor: &mut Cursor<'_>, root: &mut Node, skipped: &mut Vec<(usize, &'static str)>) -> Result<(), Broken> {
    let before = cursor.clone();
    let line = cursor.line();
    let path = match path(cursor) {
        Ok(path) if is_assignment(cursor)? => path,
        Err(Stop::Broken(broken)) => return Err(broken),
        _ => {
            cursor.return_to(&before);
            skip(cursor)?;
            if !is_guard(before.passed(cursor)) {
                skipped.push((line, "is not an assignment to $config"));
            }
            return Ok(());
        }
    };
    cursor.bump();
    blanks(cursor)?;
    let before = cursor.clone();
    let node = match expression(cursor, root) {
        Ok(node) => node,
        Err(Stop::Broken(broken)) => return Err(broken),
        Err(Stop::NoLiteral(why)) => {
            cursor.return_to(&before);
            skip(cursor)?;
            Node { line, value: Value::Unread(why) }
        }
    };
    insert(root, &path, node);
    Ok(())
}

/// Whether it is the statement with which every file of MPOS begins, against being called by itself. It sets nothing.
fn is_guard(statement: &str) -> bool {
    let dense: String = statement.chars().filter(|letter| !letter.is_whitespace()).collect();
    dense.starts_with("$defflip=(!cfip())?exit(")
}

fn is_assignment(cursor: &mut Cursor<'_>) -> Result<bool, Broken> {
    blanks(cursor)?;
    Ok(cursor.peek() == Some('=') && !matches!(cursor.second(), Some('=' | '>')))
}

/// `$config['a']["b"][3]`
fn path(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Stop> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    if !cursor.eat("$config") || cursor.peek().is_some_and(is_name) {
        return Err(Stop::NoLiteral(COMPUTED));
    }
    let mut path = Vec::new();
    loop {
        blanks(cursor)?;
        if !cursor.eat("[") {
            return Ok(path);
        }
        cursor.count(path.len())?;
        blanks(cursor)?;
        let name = match cursor.peek() {
            Some('\'' | '"') => string(cursor)?,
            _ => cursor.take_while(|letter| letter.is_ascii_digit()).to_owned(),
        };
        blanks(cursor)?;
        if name.is_empty() || !cursor.eat("]") {
            return Err(Stop::NoLiteral(COMPUTED));
        }
        path.push(name);
    }
}

/// Puts a value into the tree, over whatever stood there.
fn insert(into: &mut Node, path: &[String], node: Node) {
    let Some((name, rest)) = path.split_first() else {
        *into = node;
        return;
    };
    if !matches!(into.value, Value::Table(_)) {
        *into = Node { line: node.line, value: Value::Table(Vec::new()) };
    }
    let Value::Table(entries) = &mut into.value else { return };
    match entries.iter_mut().rev().find(|(key, _)| key == name) {
        Some((_, old)) => insert(old, rest, node),
        None => {
            let mut new = Node { line: node.line, value: Value::Nothing };
            insert(&mut new, rest, node);
            entries.push((name.clone(), new));
        }
    }
}

/// A literal, or several texts joined by dots, up to the semicolon.
fn expression(cursor: &mut Cursor<'_>, root: &Node) -> Result<Node, Stop> {
    let mut node = value(cursor, root, 0)?;
    loop {
        blanks(cursor)?;
        if cursor.eat(";") || cursor.starts("?>") {
            return Ok(node);
        }
        if !cursor.eat(".") {
            return match cursor.peek() {
                None => Err(cursor.expected("a semicolon").into()),
                Some('\'' | '"' | '$' | ')' | ']' | '}') => Err(cursor.expected("a semicolon").into()),
                Some(_) => Err(Stop::NoLiteral(COMPUTED)),
            };
        }
        blanks(cursor)?;
        let next = value(cursor, root, 0)?;
        match (&mut node.value, next.value) {
            (Value::Text(text), Value::Text(more) | Value::Number(_, more)) => text.push_str(&more),
            _ => return Err(Stop::NoLiteral(COMPUTED)),
        }
    }
}

fn value(cursor: &mut Cursor<'_>, root: &Node, depth: usize) -> Result<Node, Stop> {
    cursor.count(depth)?;
    let line = cursor.line();
    let value = match cursor.peek() {
        Some('\'' | '"') => Value::Text(string(cursor)?),
        Some('[') => {
            cursor.bump();
            array(cursor, root, depth, ']')?
        }
        Some('$') => {
            let path = path(cursor)?;
            let node = path.iter().try_fold(root, |node, name| node.get(name));
            return node.map(|node| node.referred(line)).ok_or(Stop::NoLiteral("is a setting not given before"));
        }
        Some(letter) if letter.is_ascii_digit() || "+-.".contains(letter) => a_number(cursor)?,
        Some(letter) if letter.is_alphabetic() => word(cursor, root, depth)?,
        Some('<') => return Err(cursor.broken("text in the `<<<` form is not read; put it in quotes").into()),
        Some('(' | '!' | '@' | '\\' | '&') => return Err(Stop::NoLiteral(COMPUTED)),
        _ => return Err(cursor.expected("a value").into()),
    };
    Ok(Node { line, value })
}

fn word(cursor: &mut Cursor<'_>, root: &Node, depth: usize) -> Result<Value, Stop> {
    let word = cursor.take_while(|letter| letter.is_alphanumeric() || letter == '_').to_ascii_lowercase();
    match word.as_str() {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        "null" => Ok(Value::Nothing),
        "array" => {
            blanks(cursor)?;
            if !cursor.eat("(") {
                return Err(cursor.expected("( behind array").into());
            }
            array(cursor, root, depth, ')')
        }
        _ => Err(Stop::NoLiteral(COMPUTED)),
    }
}

fn a_number(cursor: &mut Cursor<'_>) -> Result<Value, Stop> {
    let here = cursor.broken("this is not a number");
    let negative = cursor.take_while(|letter| "+-".contains(letter)).matches('-').count() % 2 == 1;
    let written = cursor.take_while(|letter| letter.is_ascii_alphanumeric() || "._".contains(letter));
    match number(written) {
        Some(number) if negative => Ok(Value::Number(-number, format!("-{written}"))),
        Some(number) => Ok(Value::Number(number, written.to_owned())),
        None => Err(here.into()),
    }
}

/// The inside of `array(...)` or `[...]`: a table, its items without a name called by their number.
fn array(cursor: &mut Cursor<'_>, root: &Node, depth: usize, end: char) -> Result<Value, Stop> {
    let opened = cursor.broken("an array begins here that is never closed");
    let mut entries = Vec::new();
    loop {
        blanks(cursor)?;
        match cursor.peek() {
            None => return Err(opened.into()),
            Some(letter) if letter == end => {
                cursor.bump();
                return Ok(Value::Table(entries));
            }
            Some(_) => {}
        }
        let first = value(cursor, root, depth + 1)?;
        blanks(cursor)?;
        if cursor.eat("=>") {
            let name = match first.value {
                Value::Text(text) | Value::Number(_, text) => text,
                _ => return Err(Stop::NoLiteral(COMPUTED)),
            };
            blanks(cursor)?;
            entries.push((name, value(cursor, root, depth + 1)?));
            blanks(cursor)?;
        } else {
            entries.push((entries.len().to_string(), first));
        }
        match cursor.peek() {
            None => return Err(opened.into()),
            _ if cursor.eat(",") => {}
            Some(letter) if letter == end => {}
            Some('\'' | '"' | '$' | ';' | ')' | ']' | '}') => return Err(cursor.expected("a comma").into()),
            Some(_) => return Err(Stop::NoLiteral(COMPUTED)),
        }
    }
}

/// Text in single or double quotes. Double quotes put variables into the text: such text is no literal.
fn string(cursor: &mut Cursor<'_>) -> Result<String, Stop> {
    let start = cursor.broken("text begins here whose closing quote is missing");
    let quote = cursor.bump();
    let double = quote == Some('"');
    let mut text = String::new();
    let mut has_variable = false;
    loop {
        let Some(letter) = cursor.bump() else { return Err(start.into()) };
        match letter {
            _ if Some(letter) == quote => break,
            '\\' => {
                let Some(escaped) = cursor.bump() else { return Err(start.into()) };
                match escaped {
                    '\\' => text.push('\\'),
                    _ if Some(escaped) == quote => text.push(escaped),
                    'n' if double => text.push('\n'),
                    't' if double => text.push('\t'),
                    'r' if double => text.push('\r'),
                    '$' if double => text.push('$'),
                    _ => text.extend(['\\', escaped]),
                }
            }
            '$' if double => {
                has_variable |= cursor.peek().is_some_and(|next| next.is_alphabetic() || "_{".contains(next));
                text.push('$');
            }
            letter => {
                has_variable |= double && letter == '{' && cursor.peek() == Some('$');
                text.push(letter);
            }
        }
    }
    if has_variable { Err(Stop::NoLiteral("has a variable in it")) } else { Ok(text) }
}

/// Passes over a statement: to its semicolon, or behind the block that ends it.
fn skip(cursor: &mut Cursor<'_>) -> Result<(), Broken> {
    let start = cursor.broken("a statement begins here that never ends: a semicolon or bracket is missing");
    let mut depth = 0usize;
    loop {
        blanks(cursor)?;
        match cursor.peek() {
            None if depth > 0 => return Err(start),
            None => return Ok(()),
            Some('\'' | '"') => match string(cursor) {
                Err(Stop::Broken(broken)) => return Err(broken),
                _ => continue,
            },
            Some('(' | '[' | '{') => depth += 1,
            Some(letter @ (')' | ']' | '}')) => {
                depth = depth.saturating_sub(1);
                if letter == '}' && depth == 0 {
                    cursor.bump();
                    return Ok(());
                }
            }
            Some(';') if depth == 0 => return Ok(()),
            Some('?') if depth == 0 && cursor.starts("?>") => return Ok(()),
            _ => {}
        }
        cursor.bump();
    }
}
