//! A terminal of any width, and its contents.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// More lines than anything here prints, so that nothing scrolls away.
const ROWS: u16 = 100;
/// No test takes so long.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A program that runs on a terminal of its own.
pub struct Terminal {
    child: Child,
    columns: u16,
    chunks: Arc<Mutex<Vec<Vec<u8>>>>,
    reader: std::thread::JoinHandle<()>,
}

/// The contents of a terminal after a program has ended.
pub struct TerminalOutput {
    pub status: ExitStatus,
    columns: u16,
    chunks: Vec<Vec<u8>>,
}

/// Why there can be no terminals, as where no `/dev/pts` is mounted.
pub fn missing() -> Option<String> {
    let opened = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).and_then(|controller| {
        grantpt(&controller)?;
        unlockpt(&controller)?;
        ptsname(&controller, Vec::new())
    });
    match opened {
        Ok(name) if fs_err::metadata(name.to_str().unwrap()).is_ok() => None,
        Ok(name) => Some(format!("there is no {name:?}")),
        Err(error) => Some(format!("this system gives no pseudo terminal: {error}")),
    }
}

impl Terminal {
    /// Starts a program with all of its streams on a terminal of so many columns.
    pub fn start(command: &mut Command, columns: u16) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let open = || fs_err::OpenOptions::new().read(true).write(true).open(&name).unwrap().into_parts().0;
        let user = open();
        tcsetwinsize(&user, Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        for name in ["CI", "TF_BUILD", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "XTERM_VERSION"] {
            command.env_remove(name);
        }
        if !command.get_envs().any(|(name, _)| name == "TERM") {
            command.env("TERM", "xterm-256color");
        }
        command.stdin(Stdio::null()).stdout(open()).stderr(open());
        let child = command.spawn().unwrap();
        // Open copies in this process would keep the terminal from ending.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        drop(user);
        let chunks = Arc::new(Mutex::new(Vec::new()));
        let seen = chunks.clone();
        let reader = std::thread::spawn(move || {
            let mut terminal = fs_err::File::from_parts(controller.into(), name);
            let mut buffer = [0; 4096];
            // Linux ends it with an error.
            while let Ok(read @ 1..) = terminal.read(&mut buffer) {
                seen.lock().unwrap().push(buffer[..read].to_vec());
            }
        });
        Self { child, columns, chunks, reader }
    }

    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        loop {
            let written = self.chunks.lock().unwrap().concat();
            let written = String::from_utf8_lossy(&written);
            if written.contains(text) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < TIMEOUT, "`{text}` never came ({ended:?}):\n{written}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Interrupts it, as Ctrl-C does.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    pub fn end(mut self) -> TerminalOutput {
        let status = self.child.wait().unwrap();
        self.reader.join().unwrap();
        let chunks = std::mem::take(&mut *self.chunks.lock().unwrap());
        TerminalOutput { status, columns: self.columns, chunks }
    }
}

impl TerminalOutput {
    /// All that was written, with every escape code.
    pub fn written(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }

    /// The contents of the terminal at the end.
    pub fn screen(&self) -> vt100::Screen {
        self.screens().pop().expect("it has written something")
    }

    /// The contents of the terminal after each write.
    fn screens(&self) -> Vec<vt100::Screen> {
        let mut terminal = vt100::Parser::new(ROWS, self.columns, 0);
        let show = |chunk: &Vec<u8>| {
            terminal.process(chunk);
            terminal.screen().clone()
        };
        self.chunks.iter().map(show).collect()
    }

    /// The lines that the terminal had to break, at any time. Lines of bars are filled up to the edge, so that the terminal
    /// begins the next one, which has a verb or nothing in its first columns.
    pub fn broken_lines(&self) -> Vec<String> {
        let is_bar = |row: &String| {
            row.split_at_checked(12).is_some_and(|(verb, rest)| rest.starts_with(' ') && !verb.trim().contains(' '))
        };
        let mut broken = Vec::new();
        for screen in self.screens() {
            let rows = screen.rows(0, self.columns).collect::<Vec<_>>();
            let mut line = String::new();
            for (row, number) in rows.iter().zip(0..) {
                line.push_str(row);
                if screen.row_wrapped(number) && !rows.get(usize::from(number) + 1).is_some_and(is_bar) {
                    continue;
                }
                if line.chars().count() > usize::from(self.columns) && !broken.contains(&line) {
                    broken.push(line.clone());
                }
                line.clear();
            }
        }
        broken
    }
}
