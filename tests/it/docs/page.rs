//! The parts of a page: fenced blocks, the commands of one, and output with gaps.

/// A fenced block.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// What stands behind the fence.
    pub info: String,
    pub text: String,
    /// Line of the page on which the text begins.
    pub line: usize,
}

impl Block {
    /// The first word behind the fence, up to a comma.
    pub fn language(&self) -> &str {
        self.info.split([',', ' ']).next().unwrap()
    }
}

/// A command of a block.
#[derive(Debug, PartialEq)]
pub struct Command {
    /// As a shell takes it, without the comment.
    pub text: String,
    /// The exit code that the page gives it.
    pub code: i32,
    pub line: usize,
}

/// The fenced blocks of a page in their order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in page.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                blocks.push(Block { info: info.to_string(), text: String::new(), line: index + 2 });
                open = true;
            }
            None if open => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "a block has no end");
    blocks
}

/// The commands of a block: a line each, unless it ends with a backslash or inside of quotes.
pub fn commands(block: &Block) -> Vec<Command> {
    let mut commands = Vec::new();
    let (mut text, mut line) = (String::new(), block.line);
    for (index, part) in block.text.lines().enumerate() {
        if text.is_empty() {
            line = block.line + index;
        }
        text.push_str(part);
        if text.ends_with('\\') || comment_start(&text).is_none() {
            text.push('\n');
            continue;
        }
        let (command, comment) = text.split_at(comment_start(&text).unwrap());
        if !command.trim().is_empty() {
            commands.push(Command { text: command.trim().to_string(), code: exit_code(comment), line });
        }
        text.clear();
    }
    assert!(text.is_empty(), "the command does not end: {text}");
    commands
}

/// Where the comment of a command begins, or its end; `None` inside of quotes.
fn comment_start(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match quote {
            Some(open) if open == letter => quote = None,
            Some(_) => {}
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter == '#' && before.is_whitespace() => return Some(at),
            None => {}
        }
        before = letter;
    }
    quote.is_none().then_some(text.len())
}

/// The code of a comment `# exit 65`, with or without more behind a colon.
fn exit_code(comment: &str) -> i32 {
    let Some(rest) = comment.strip_prefix("# exit ") else { return 0 };
    rest.split(':').next().unwrap().trim().parse().unwrap_or(0)
}

/// Whether `printed` is what `shown` shows, where `...` is any text of a line, and a line of `...` any lines.
pub fn covers(shown: &str, printed: &str) -> bool {
    let [shown, printed] = [shown, printed].map(|text| text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>());
    lines_cover(&shown, &printed)
}

fn lines_cover(shown: &[&str], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "..." => (0..=printed.len()).any(|count| lines_cover(rest, &printed[count..])),
        Some((first, rest)) => printed.first().is_some_and(|line| line_covers(first, line)) && lines_cover(rest, &printed[1..]),
    }
}

fn line_covers(shown: &str, printed: &str) -> bool {
    let parts: Vec<&str> = shown.split("...").collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return shown == printed;
    }
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn a_page_is_taken_apart() {
    let page =
        "text\n```sh\na 'b # c' # d\n\n# alone\ne \\\n  f # exit 65\ng 'h\ni' # exit 1: so\n```\n\n```text\nx\n```\n```rust,no_run\n```\n";
    let blocks = blocks(page);
    let kinds: Vec<(&str, usize)> = blocks.iter().map(|block| (block.language(), block.line)).collect();
    assert_eq!(kinds, [("sh", 3), ("text", 13), ("rust", 16)]);
    let commands = commands(&blocks[0]);
    let found: Vec<(&str, i32, usize)> = commands.iter().map(|command| (command.text.as_str(), command.code, command.line)).collect();
    assert_eq!(found, [("a 'b # c'", 0, 3), ("e \\\n  f", 65, 6), ("g 'h\ni'", 1, 8)]);
}

#[test]
fn output_has_gaps_only_where_they_are_shown() {
    assert!(covers("a\nb ... d\n...\nz", "a\nb c d\ne\nf\nz\n"));
    assert!(covers("...\nz", "z\n") && covers("a...", "a") && covers("[0. ... 9.]", "[0. ... 9.]"));
    assert!(!covers("a", "a\nb") && !covers("a\n...\nz", "a\n") && !covers("b ... d", "b c e") && !covers("a...bb", "ab"));
}
