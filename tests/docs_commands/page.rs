//! A page of the book as a list of commands in order, with what the page shows of their output, and the files that it
//! tells the reader to write.

/// One command as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The line of the page.
    pub(crate) line: usize,
    /// What is typed; of several lines where the page breaks it.
    pub(crate) text: String,
    /// The exit code that a comment behind it tells, `exit 3`; 0 without one.
    pub(crate) code: i32,
    /// What the page shows of its standard output, line by line; `…` stands for anything.
    pub(crate) shown: Vec<String>,
}

/// A file that a block of the page is: its first line is a comment with the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// The line of the page.
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Commands and files of `text`.
pub(crate) fn read(text: &str) -> (Vec<Command>, Vec<File>) {
    let (mut commands, mut files) = (Vec::<Command>::new(), Vec::new());
    let mut lines = text.lines().enumerate().peekable();
    // Output follows its command with nothing but blank lines between.
    let mut is_after_commands = false;
    while let Some((_, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            is_after_commands &= line.trim().is_empty();
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let language = language.trim().to_owned();
        let mut block = Vec::new();
        for (number, line) in lines.by_ref() {
            if line.trim_start().starts_with("```") {
                break;
            }
            block.push((number + 1, line.get(indent..).unwrap_or_default().to_owned()));
        }
        let is_output = is_after_commands && language == "text";
        is_after_commands = language == "sh";
        if language == "sh" {
            commands.extend(commands_of(&block));
        } else if is_output {
            let last = commands.last_mut().expect("output follows a command");
            last.shown = block.into_iter().map(|(_, line)| line).filter(|line| !line.trim().is_empty()).collect();
        } else if let Some((line, name)) = block.first().and_then(|(line, first)| Some((*line, named(first)?))) {
            let text = block.iter().map(|(_, line)| format!("{line}\n")).collect();
            files.push(File { line, name, text });
        }
    }
    (commands, files)
}

fn commands_of(block: &[(usize, String)]) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut whole: Option<(usize, String)> = None;
    for (number, line) in block {
        if whole.is_none() && (line.trim().is_empty() || line.trim_start().starts_with('#')) {
            continue;
        }
        let (begun, mut text) = whole.take().unwrap_or((*number, String::new()));
        text.push_str(line);
        if text.ends_with('\\') {
            text.push('\n');
            whole = Some((begun, text));
            continue;
        }
        let code = text.split_once("# ").and_then(|(_, comment)| {
            let (_, code) = comment.split_once("exit ")?;
            code.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        });
        commands.push(Command { line: begun, text, code: code.unwrap_or(0), shown: Vec::new() });
    }
    commands
}

/// The name in `# train.toml: what it is for`.
fn named(first: &str) -> Option<String> {
    let comment = first.strip_prefix("# ")?;
    let name = comment.split([':', ' ']).next()?;
    let is_name = ["toml", "csv", "py"].iter().any(|ending| name.ends_with(&format!(".{ending}")));
    is_name.then(|| name.to_owned())
}

/// Whether each of `shown` is found in `printed`, in this order.
pub(crate) fn is_shown(shown: &[String], printed: &str) -> Result<(), String> {
    let mut lines = printed.lines();
    for wanted in shown {
        if !lines.any(|line| is_like(wanted.trim(), line.trim())) {
            return Err(wanted.clone());
        }
    }
    Ok(())
}

/// Whether `line` is `wanted`, blanks as they come, `…` for anything.
fn is_like(wanted: &str, line: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (wanted, line) = (squeezed(wanted), squeezed(line));
    let mut parts = wanted.split('…').map(str::trim);
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    is_open || rest.is_empty() || wanted.ends_with('…')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_commands_with_codes_output_and_files() {
        let text = "a\n```sh\n# why\narena check\narena promote x  # refused: exit 3\n\narena a \\\n  b\n```\n\n```text\none\n```\n\
                    ```toml\n# train.toml: for training\n[train]\n```\n   ```sh\n   arena init\n   ```\nb\n\n```text\nno output\n```\n";
        let (commands, files) = read(text);
        let seen: Vec<(usize, &str, i32)> = commands.iter().map(|c| (c.line, c.text.as_str(), c.code)).collect();
        let wanted = [
            (4, "arena check", 0),
            (5, "arena promote x  # refused: exit 3", 3),
            (7, "arena a \\\n  b", 0),
            (19, "arena init", 0),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(commands[2].shown, ["one"]);
        assert!(commands[3].shown.is_empty());
        assert_eq!(
            files,
            [File {
                line: 15,
                name: "train.toml".to_owned(),
                text: "# train.toml: for training\n[train]\n".to_owned()
            }]
        );
    }

    #[test]
    fn output_is_compared_line_by_line() {
        let printed = "page   http://127.0.0.1:1/\n24 candidates, 3 of them new\nend\n";
        let is = |shown: &[&str]| is_shown(&shown.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), printed);
        assert_eq!(is(&["page http://…/", "end"]), Ok(()));
        assert_eq!(is(&["… candidates, …"]), Ok(()));
        assert_eq!(is(&["24 candidates"]), Err("24 candidates".to_owned()));
        assert_eq!(is(&["end", "page …"]), Err("page …".to_owned()));
        assert_eq!(is(&["nothing"]), Err("nothing".to_owned()));
    }
}
