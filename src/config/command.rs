//! A start command as bash reads it: the program it starts, and whether that stays in the foreground.
/// A command line, cut into its simple commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The commands in their order.
    pub commands: Vec<Command>,
    /// True if the line has brackets, loops or conditions and is more than a list of commands.
    pub compound: bool,
}

/// One simple command of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Assignments before the program, such as `PORT=80`.
    pub assignments: Vec<String>,
    /// Program and arguments without their quotes; redirections are left out.
    pub words: Vec<String>,
    /// The position of the program in the text.
    pub at: usize,
    /// True if any input or output is redirected.
    pub redirected: bool,
    /// The operator that follows.
    pub after: After,
}

/// The operator after a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// The end of the line.
    #[default]
    End,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `;`
    Next,
    /// `|`
    Pipe,
    /// `&`
    Background,
}

/// A reason why a start command does not work, or perhaps does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The sort of the doubt.
    pub kind: Kind,
    /// True if the reason is certain.
    pub sure: bool,
    /// The reason for people.
    pub why: String,
    /// The way out.
    pub fix: String,
}

/// The sorts of doubts about a start command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It starts something in the background and ends.
    Background,
    /// It needs root or another user.
    Root,
    /// It starts nothing.
    Nothing,
}

/// Words that begin or belong to something larger than a simple command.
const COMPOUND: &[&str] = &[
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "function",
    "time", "coproc", "{", "}", "!", "[[",
];

/// Words that only the shell itself can run.
const BUILTINS: &[&str] = &[
    ".", ":", "alias", "bg", "builtin", "cd", "declare", "disown", "dirs", "echo", "eval", "exec", "exit", "export",
    "false", "fg", "hash", "jobs", "let", "local", "popd", "printf", "pushd", "read", "readonly", "return", "set",
    "shift", "shopt", "source", "test", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias", "unset",
    "wait", "[", "command",
];

/// Builtins after which nothing runs.
const START_NOTHING: &[&str] = &[
    ":", "alias", "cd", "declare", "echo", "export", "false", "hash", "let", "popd", "printf", "pushd", "set", "shopt",
    "true", "type", "typeset", "ulimit", "umask", "unset", "[", "test",
];

/// Splits a command line into commands. The error names what is not closed.
pub fn read(text: &str) -> Result<CommandLine, &'static str> {
    Reader { text, at: 0 }.line()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, what: &str) -> bool {
        let yes = self.rest().starts_with(what);
        self.at += if yes { what.len() } else { 0 };
        yes
    }

    fn line(mut self) -> Result<CommandLine, &'static str> {
        let mut line = CommandLine::default();
        let mut command = Command::default();
        let end = |line: &mut CommandLine, command: &mut Command, after| {
            let command = std::mem::take(command);
            if !command.words.is_empty() || !command.assignments.is_empty() {
                line.commands.push(Command { after, ..command });
            } else if let Some(last) = line.commands.last_mut().filter(|_| after != After::End) {
                // This operator follows a closing bracket.
                last.after = after;
            }
        };
        loop {
            while self.peek().is_some_and(char::is_whitespace) {
                self.take();
            }
            if self.rest().is_empty() || self.rest().starts_with('#') {
                break;
            }
            if self.eat("(") || self.eat(")") {
                line.compound = true;
                end(&mut line, &mut command, After::End);
            } else if self.redirection(&mut line)? {
                command.redirected = true;
            } else if self.eat("&&") {
                end(&mut line, &mut command, After::And);
            } else if self.eat("||") {
                end(&mut line, &mut command, After::Or);
            } else if self.eat("|&") || self.eat("|") {
                end(&mut line, &mut command, After::Pipe);
            } else if self.eat(";") {
                end(&mut line, &mut command, After::Next);
            } else if self.eat("&") {
                end(&mut line, &mut command, After::Background);
            } else {
                let begin = self.at;
                let word = self.word()?;
                if command.words.is_empty() {
                    if COMPOUND.contains(&word.as_str()) {
                        line.compound = true;
                        continue;
                    }
                    if is_assignment(&self.text[begin..self.at]) {
                        command.assignments.push(word);
                        continue;
                    }
                    command.at = begin;
                }
                command.words.push(word);
            }
        }
        end(&mut line, &mut command, After::End);
        Ok(line)
    }

    /// Reads a redirection such as `>file`, `2>&1`, `&>file` or `<file`.
    fn redirection(&mut self, line: &mut CommandLine) -> Result<bool, &'static str> {
        let begin = self.at;
        let digits = self.rest().len() - self.rest().trim_start_matches(|c: char| c.is_ascii_digit()).len();
        self.at += digits;
        if digits == 0 {
            self.eat("&");
        }
        if self.rest().starts_with("<(") || self.rest().starts_with(">(") {
            line.compound = true;
            self.at = begin;
            return Ok(false);
        }
        let Some(first) = self.peek().filter(|c| matches!(c, '<' | '>')) else {
            self.at = begin;
            return Ok(false);
        };
        while self.peek().is_some_and(|c| c == first || matches!(c, '&' | '|' | '<' | '>')) {
            self.take();
        }
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.take();
        }
        self.word()?;
        Ok(true)
    }

    /// Reads one word without its quotes.
    fn word(&mut self) -> Result<String, &'static str> {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            match c {
                _ if c.is_whitespace() => break,
                '|' | '&' | ';' | '(' | ')' | '<' | '>' => {
                    // A process substitution counts as a word.
                    if matches!(c, '<' | '>') && self.rest()[1..].starts_with('(') && word.is_empty() {
                        self.take();
                        word.push(c);
                        word.push_str(&self.brackets('(', ')')?);
                        continue;
                    }
                    break;
                }
                '\'' => {
                    self.take();
                    let Some(length) = self.rest().find('\'') else { return Err("a single quote") };
                    word.push_str(&self.rest()[..length]);
                    self.at += length + 1;
                }
                '"' => self.double_quotes(&mut word)?,
                '\\' => {
                    self.take();
                    word.extend(self.take());
                }
                '`' => {
                    self.take();
                    let Some(length) = self.rest().find('`') else { return Err("a backquote") };
                    word.push('`');
                    word.push_str(&self.rest()[..=length]);
                    self.at += length + 1;
                }
                '$' => self.dollar(&mut word)?,
                '{' if self.rest().starts_with("{{") || self.rest().starts_with("{%") => self.expression(&mut word),
                _ => {
                    self.take();
                    word.push(c);
                }
            }
        }
        Ok(word)
    }

    fn double_quotes(&mut self, word: &mut String) -> Result<(), &'static str> {
        self.take();
        loop {
            match self.peek() {
                None => return Err("a double quote"),
                Some('"') => {
                    self.take();
                    return Ok(());
                }
                Some('\\') => {
                    self.take();
                    let c = self.take().ok_or("a double quote")?;
                    if !matches!(c, '"' | '\\' | '$' | '`') {
                        word.push('\\');
                    }
                    word.push(c);
                }
                Some('$') => self.dollar(word)?,
                Some('{') if self.rest().starts_with("{{") => self.expression(word),
                Some(c) => {
                    self.take();
                    word.push(c);
                }
            }
        }
    }

    fn dollar(&mut self, word: &mut String) -> Result<(), &'static str> {
        self.take();
        word.push('$');
        let inside = match self.peek() {
            Some('(') => self.brackets('(', ')')?,
            Some('{') if !self.rest().starts_with("{{") => self.brackets('{', '}')?,
            Some('\'') if word == "$" => return Ok(()),
            _ => return Ok(()),
        };
        word.push_str(&inside);
        Ok(())
    }

    /// Reads the text from an opening bracket to its closing one.
    fn brackets(&mut self, open: char, close: char) -> Result<String, &'static str> {
        let begin = self.at;
        let mut depth = 0;
        while let Some(c) = self.take() {
            match c {
                '\\' => drop(self.take()),
                '\'' => {
                    let Some(length) = self.rest().find('\'') else { return Err("a single quote") };
                    self.at += length + 1;
                }
                c if c == open => depth += 1,
                c if c == close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(self.text[begin..self.at].to_owned());
            }
        }
        Err(if open == '(' { "a bracket" } else { "a brace" })
    }

    /// Reads an expression such as `{{ port }}` as one part of a word, including its blanks.
    fn expression(&mut self, word: &mut String) {
        let close = if self.rest().starts_with("{{") { "}}" } else { "%}" };
        let length = self.rest().find(close).map_or(self.rest().len(), |at| at + 2);
        word.push_str(&self.text[self.at..self.at + length]);
        self.at += length;
    }
}

/// True for `NAME=value` and `NAME+=value`.
fn is_assignment(raw: &str) -> bool {
    let Some((name, _)) = raw.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl CommandLine {
    /// Returns the lines of a start script.
    ///
    /// The last program replaces the shell if possible, so that it receives signals.
    pub fn in_foreground(text: &str) -> String {
        let Ok(line) = read(text) else { return text.to_owned() };
        let [before @ .., last] = line.commands.as_slice() else { return text.to_owned() };
        let piped = line.commands.iter().any(|c| c.after == After::Pipe);
        let pipefail = if piped { "set -o pipefail\n" } else { "" };
        let in_pipe = before.last().is_some_and(|c| c.after == After::Pipe);
        let program = last.words.first().map_or("", String::as_str);
        let ends = matches!(last.after, After::End | After::Next);
        if line.compound || in_pipe || !ends || program.is_empty() || BUILTINS.contains(&program) {
            return format!("{pipefail}{text}");
        }
        format!("{pipefail}{}exec {}", &text[..last.at], &text[last.at..])
    }

    /// Returns the programs that are started by a path, relative to the first folder.
    pub fn programs(&self) -> Vec<String> {
        let mut folder = String::new();
        let mut found = vec![];
        for command in &self.commands {
            let words = command.bare();
            let Some(program) = words.first() else { continue };
            match (program.as_str(), words.get(1)) {
                ("cd" | "pushd", Some(to)) if to.starts_with('/') => folder = format!("{to}/"),
                ("cd" | "pushd", Some(to)) => folder = format!("{folder}{}/", to.trim_end_matches('/')),
                _ if program.contains('/') && !program.contains(['$', '`', '~', '*', '{']) => {
                    let path = program.strip_prefix("./").unwrap_or(program);
                    found.push(if path.starts_with('/') { path.to_owned() } else { format!("{folder}{path}") });
                }
                _ => {}
            }
        }
        found.dedup();
        found
    }

    /// Returns the reasons against the line as the start command of a service.
    pub fn doubts(&self) -> Vec<Doubt> {
        let mut found: Vec<Doubt> = self.commands.iter().flat_map(Command::doubts).collect();
        let Some(last) = self.commands.last() else { return found };
        let goes_on = |c: &Command| !matches!(c.words.first().map(String::as_str), Some("disown"));
        let last = self.commands.iter().rev().find(|c| goes_on(c)).unwrap_or(last);
        if last.after == After::Background {
            let nohup = if last.words.first().is_some_and(|w| w == "nohup") { ", and nohup with it" } else { "" };
            found.insert(
                0,
                Doubt {
                    kind: Kind::Background,
                    sure: true,
                    why: "& sends it to the background, and the start command ends at once".into(),
                    fix: format!("delete the &{nohup}: systemd keeps it running, and its output goes to the journal"),
                },
            );
        } else if self.commands.iter().all(Command::starts_nothing) && !self.compound {
            found.push(Doubt {
                kind: Kind::Nothing,
                sure: true,
                why: "it starts nothing that stays".into(),
                fix: "end it with the program to run, for example \"cd app && ./server\"".into(),
            });
        }
        found.dedup();
        found
    }
}

impl Command {
    /// Returns program and arguments without wrappers such as `env`, `nohup` and `exec`.
    fn bare(&self) -> &[String] {
        let mut words = self.words.as_slice();
        while let [first, rest @ ..] = words {
            let skipped = match base(first) {
                "exec" | "command" | "nohup" | "builtin" | "catchsegv" | "unbuffer" => options(rest, &["-a"]),
                "env" => {
                    let rest = options(rest, &["-u", "-C", "-S"]);
                    let set = rest.iter().take_while(|w| is_assignment(w)).count();
                    &rest[set..]
                }
                "nice" => options(rest, &["-n", "--adjustment"]),
                "ionice" => options(rest, &["-c", "-n"]),
                "stdbuf" => options(rest, &["-i", "-o", "-e"]),
                "timeout" => options(rest, &["-k", "-s"]).get(1..).unwrap_or_default(),
                "taskset" | "chrt" | "numactl" => options(rest, &["-c"]).get(1..).unwrap_or_default(),
                "setsid" if waits(rest) => options(rest, &[]),
                _ => return words,
            };
            // Nothing follows, so the wrapper is the program.
            if skipped.is_empty() {
                return words;
            }
            words = skipped;
        }
        words
    }

    fn starts_nothing(&self) -> bool {
        match self.bare().first() {
            None => true,
            Some(program) => START_NOTHING.contains(&program.as_str()),
        }
    }

    fn doubts(&self) -> Vec<Doubt> {
        let [program, arguments @ ..] = self.bare() else { return vec![] };
        let script_of_init = ["/etc/init.d/", "/etc/rc.d/"].iter().any(|folder| program.starts_with(folder));
        let program = if script_of_init { "service" } else { base(program) };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if matches!(program, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh") {
            let inner = arguments.iter().position(|a| a.starts_with('-') && !a.starts_with("--") && a.contains('c'));
            let inner = inner.and_then(|at| arguments.get(at + 1)).and_then(|text| read(text).ok());
            return inner.map(|line| line.doubts()).unwrap_or_default();
        }
        if matches!(program, "sudo" | "su" | "doas" | "pkexec" | "runuser" | "gosu" | "su-exec" | "setpriv" | "chroot")
        {
            return vec![Doubt {
                kind: Kind::Root,
                sure: true,
                why: format!("{program} does not work: the service runs as the user gameday and can become no other"),
                fix: format!(
                    "leave {program} out: the user gameday may listen on ports below 1024, and owns its folder"
                ),
            }];
        }
        if self.after == After::Background {
            return vec![];
        }
        leaves(program, &arguments).into_iter().collect()
    }
}

/// Returns a doubt if a program goes to the background or hands over to another one, and ends.
fn leaves(program: &str, arguments: &[&str]) -> Option<Doubt> {
    let has = |options: &[&str]| {
        arguments.iter().any(|a| {
            options.contains(a) || options.iter().any(|o| o.starts_with("--") && a.starts_with(&format!("{o}=")))
        })
    };
    let off = |options: &[&str]| {
        arguments
            .iter()
            .any(|a| options.iter().any(|o| a.strip_prefix(o).is_some_and(|v| matches!(v, "=no" | "=false" | "=0"))))
            || arguments.windows(2).any(|w| options.contains(&w[0]) && matches!(w[1], "no" | "false" | "0"))
    };
    // The option can be alone or among other short options: `-d`, `-dit`.
    let short = |letter: char| {
        arguments.iter().any(|a| {
            a.strip_prefix('-').is_some_and(|o| {
                !o.starts_with('-') && o.len() <= 4 && o.contains(letter) && o.chars().all(|c| c.is_ascii_alphabetic())
            })
        })
    };
    let verb = arguments.iter().find(|a| !a.starts_with('-')).copied().unwrap_or_default();
    let joined = arguments.join(" ");
    let sure = |why: String, fix: &str| Some(Doubt { kind: Kind::Background, sure: true, why, fix: fix.into() });
    let detach = |option: &str, fix: &str| sure(format!("{program} {option} goes to the background and ends"), fix);
    let itself = "start the program itself, in the foreground: systemd keeps it running";
    match program {
        "service" | "systemctl" | "initctl" | "rc-service" | "supervisorctl" | "invoke-rc.d" | "launchctl" => {
            sure(format!("{program} hands over to another unit and ends"), itself)
        }
        "setsid" => sure("setsid starts it in the background and ends".into(), "leave setsid out"),
        "daemon" | "daemonize" | "start-stop-daemon" => {
            sure(format!("{program} starts it in the background and ends"), itself)
        }
        "at" | "batch" | "crontab" => sure(format!("{program} only notes down what is to be done, and ends"), itself),
        "systemd-run" if !has(&["--scope", "--wait", "--pty", "-t", "--pipe", "-P"]) => {
            sure("systemd-run hands over to another unit and ends".into(), itself)
        }
        "docker" | "docker-compose" | "nerdctl" => sure(
            format!("{program} is not there, and the user gameday may not use it"),
            "set run = \"container\" and name the image as `source`",
        ),
        "podman" | "podman-compose" if short('d') || has(&["--detach"]) || verb == "start" => {
            detach("-d", "leave -d out")
        }
        "screen" if short('d') || short('D') => detach("-d -m", "leave screen out: start the program itself"),
        "tmux" => {
            sure("tmux starts it in a session of its own and ends".into(), "leave tmux out: start the program itself")
        }
        "pm2" if !has(&["--no-daemon"]) => detach(verb, "use `pm2-runtime`, or start node itself"),
        "forever" if verb == "start" => detach("start", "leave `start` out, or start node itself"),
        "supervisord" if !has(&["-n", "--nodaemon"]) => detach("without -n", "add -n"),
        "nginx" if !joined.contains("daemon off") => detach("without \"daemon off;\"", "add -g 'daemon off;'"),
        "httpd" | "apache2" if !joined.contains("FOREGROUND") && !has(&["-X"]) => {
            detach("without -DFOREGROUND", "add -DFOREGROUND")
        }
        "apachectl" | "apache2ctl" if !joined.contains("FOREGROUND") => detach(verb, "use `httpd -DFOREGROUND`"),
        "lighttpd" if !short('D') => detach("without -D", "add -D"),
        "caddy" if verb == "start" => detach("start", "use `caddy run`"),
        "catalina.sh" if verb == "start" => detach("start", "use `catalina.sh run`"),
        "startup.sh" if arguments.is_empty() => Some(Doubt {
            kind: Kind::Background,
            sure: false,
            why: "Tomcat's startup.sh goes to the background and ends".into(),
            fix: "for Tomcat use `catalina.sh run`; otherwise see that it ends with `exec PROGRAM`".into(),
        }),
        "gunicorn" | "unicorn" if has(&["-D", "--daemon", "--daemonize"]) => detach("-D", "leave -D out"),
        "puma" | "thin" | "rails" | "rackup" if has(&["-d", "-D", "--daemon", "--daemonize"]) => {
            detach("-d", "leave -d out")
        }
        "uwsgi" if has(&["--daemonize", "-d", "--daemonize2"]) => detach("--daemonize", "leave --daemonize out"),
        "celery" if has(&["--detach"]) || verb == "multi" => {
            detach(if verb == "multi" { "multi" } else { "--detach" }, "use `celery worker` without --detach")
        }
        "redis-server" | "valkey-server" if has(&["--daemonize"]) && !off(&["--daemonize"]) => {
            detach("--daemonize yes", "leave it out")
        }
        "mongod" if has(&["--fork"]) => detach("--fork", "leave --fork out"),
        "memcached" if short('d') => detach("-d", "leave -d out"),
        "haproxy" if short('D') => detach("-D", "leave -D out"),
        "varnishd" if !short('F') => detach("without -F", "add -F"),
        _ if program.starts_with("php-fpm") && !has(&["-F", "--nodaemonize"]) => detach("without -F", "add -F"),
        _ => {
            let named = [
                "--daemon",
                "--daemonize",
                "--daemonise",
                "--background",
                "--detach",
                "--detached",
                "--fork",
                "-daemon",
            ];
            let option = named.into_iter().find(|o| has(&[o]) && !off(&[o]))?;
            Some(Doubt {
                kind: Kind::Background,
                sure: false,
                why: format!("{option} looks as if it went to the background and ended"),
                fix: format!("it has to stay in the foreground: leave {option} out"),
            })
        }
    }
}

/// True for `setsid --wait`.
fn waits(arguments: &[String]) -> bool {
    let mut options = arguments.iter().take_while(|a| a.starts_with('-'));
    options.any(|o| o == "--wait" || !o.starts_with("--") && o.contains('w'))
}

/// Returns the words after the options, some of which take a word themselves.
fn options<'a>(words: &'a [String], with_word: &[&str]) -> &'a [String] {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|w| w.starts_with('-') && w.len() > 1) {
        at += if with_word.contains(&word.as_str()) { 2 } else { 1 };
        if word == "--" {
            break;
        }
    }
    words.get(at..).unwrap_or_default()
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubts(text: &str) -> Vec<Doubt> {
        read(text).unwrap_or_else(|e| panic!("{text}: {e}")).doubts()
    }

    #[test]
    fn the_last_program_takes_the_place_of_the_shell() {
        for (text, lines) in [
            ("./server", "exec ./server"),
            ("./server -config \"my file.ini\" --name 'a & b'", "exec ./server -config \"my file.ini\" --name 'a & b'"),
            ("PORT=80 node server.js", "PORT=80 exec node server.js"),
            ("A=1 B=\"x y\" ./run", "A=1 B=\"x y\" exec ./run"),
            ("cd app && ./run.sh", "cd app && exec ./run.sh"),
            ("source venv/bin/activate && gunicorn app:app", "source venv/bin/activate && exec gunicorn app:app"),
            ("export A=1; ./run;", "export A=1; exec ./run;"),
            ("exec java -jar app.jar", "exec java -jar app.jar"),
            ("./run 2>&1 | tee -a log", "set -o pipefail\n./run 2>&1 | tee -a log"),
            ("./run >log 2>&1", "exec ./run >log 2>&1"),
            ("node $FILE ~/x *.js", "exec node $FILE ~/x *.js"),
            (". ./env.sh", ". ./env.sh"),
            ("(cd app; ./run)", "(cd app; ./run)"),
            ("if true; then ./a; else ./b; fi", "if true; then ./a; else ./b; fi"),
            ("./helper & ./server", "./helper & exec ./server"),
            ("./a & ./b & wait", "./a & ./b & wait"),
            ("java -Dx=\"$(cat f)\" -jar a.jar # note", "exec java -Dx=\"$(cat f)\" -jar a.jar # note"),
            ("node app.js --port {{ port }}", "exec node app.js --port {{ port }}"),
        ] {
            assert_eq!(CommandLine::in_foreground(text), lines);
        }
    }

    #[test]
    fn what_stays_is_not_doubted() {
        for text in [
            "./server",
            "PORT=80 node server.js",
            "cd app && ./run.sh",
            "source venv/bin/activate && gunicorn app:app",
            "./a | ./b",
            "node 'a & b'",
            "node a\\&b",
            "./helper & ./server",
            "./a & ./b & wait",
            "nginx -g 'daemon off;'",
            "httpd -DFOREGROUND",
            "httpd -D FOREGROUND",
            "apachectl -D FOREGROUND",
            "pm2-runtime app.js",
            "pm2 start app.js --no-daemon",
            "supervisord -n",
            "redis-server --daemonize no",
            "php-fpm8.2 -F",
            "catalina.sh run",
            "caddy run",
            "bash -c './run && ./server'",
            "nohup ./server",
            "setsid -w ./server",
            "nice -n 5 ./server -d",
            "java -Ddaemon=true -jar a.jar",
            "memcached -m 64",
            "./server -d",
            "exec ./server -D",
            "gunicorn -b :80 app:app",
            "timeout 9 ./server",
            "./start &>log",
            "env A=1 ./server",
            "java -jar x.jar --daemon=false",
            "sh ./run.sh",
            "while true; do ./a; done",
            "curl -d x y && ./server",
        ] {
            assert_eq!(doubts(text), [], "{text}");
        }
    }

    #[test]
    fn what_ends_at_once_is_named() {
        let kind = |text: &str| doubts(text).first().map(|d| (d.kind, d.sure));
        for text in [
            "nohup python3 app.py > nohup.out 2>&1 &",
            "./server &",
            "./a & ./b &",
            "(./server &)",
            "./server & disown",
            "setsid ./server",
            "daemon ./server",
            "service httpd start",
            "/etc/init.d/nginx start",
            "systemctl start nginx",
            "cd x && systemctl restart nginx",
            "docker-compose up -d",
            "docker compose up --detach",
            "docker run -d img",
            "pm2 start app.js",
            "screen -dmS web ./server",
            "screen -d -m ./server",
            "tmux new -d ./server",
            "tmux new-session -d './server'",
            "nginx",
            "httpd",
            "apachectl start",
            "gunicorn -D app:app",
            "gunicorn --daemon app:app",
            "redis-server --daemonize yes",
            "mongod --fork",
            "bash -c './server &'",
            "sh -c \"nohup ./x &\"",
            "env A=1 nohup ./x &",
            "A=1 nginx",
            "uwsgi --daemonize=/tmp/log",
            "start-stop-daemon --start --exec ./x",
            "forever start app.js",
            "supervisord",
            "echo ./server | at now",
            "php-fpm",
            "catalina.sh start",
            "rails server -d",
            "celery multi start w1",
            "exec setsid ./x",
        ] {
            assert_eq!(kind(text), Some((Kind::Background, true)), "{text}");
        }
        for text in
            ["./server --daemon", "kafka-server-start.sh -daemon c.properties", "bin/startup.sh", "./x --background"]
        {
            assert_eq!(kind(text), Some((Kind::Background, false)), "{text}");
        }
        for text in [
            "sudo java -jar app.jar",
            "cd x && sudo -E ./server",
            "su - app -c ./server",
            "sudo java -jar a.jar &",
            "bash -c 'sudo ./x'",
            "env A=1 sudo ./x",
            "doas ./x",
        ] {
            assert!(doubts(text).iter().any(|d| d.kind == Kind::Root), "{text}");
        }
        for text in ["cd app", "export A=1", "PORT=80", "true"] {
            assert_eq!(kind(text), Some((Kind::Nothing, true)), "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_is_said() {
        for (text, what) in [
            ("./a 'b", "a single quote"),
            ("./a \"b", "a double quote"),
            ("./a $(b", "a bracket"),
            ("./a ${b", "a brace"),
            ("./a `b", "a backquote"),
        ] {
            assert_eq!(read(text), Err(what));
        }
    }

    #[test]
    fn programs_are_found_where_they_are_started() {
        let of = |text: &str| read(text).unwrap().programs();
        assert_eq!(of("./server -x"), ["server"]);
        assert_eq!(of("cd app && ./run.sh"), ["app/run.sh"]);
        assert_eq!(of("cd a && cd b; bin/x | ./y"), ["a/b/bin/x", "a/b/y"]);
        assert_eq!(of("A=1 exec ./x"), ["x"]);
        assert!(of("node app.js").is_empty() && of("$HOME/x").is_empty());
        assert_eq!(of("cd /srv && ./x"), ["/srv/x"]);
    }
}
