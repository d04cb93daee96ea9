//! A PostgreSQL server that can be stopped without stopping anybody else's tests.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use crate::kit::postgres;

/// See the module.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    running: Option<(u32, Receiver<String>)>,
}

impl Server {
    /// A new server; `None` where PostgreSQL is not installed, which is printed.
    pub fn make() -> Option<Self> {
        let programs = postgres::programs_or_say()?;
        let folder = postgres::make(&programs);
        let mut server = Self {
            programs,
            folder,
            running: None,
        };
        server.start();
        Some(server)
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &std::path::Path {
        &self.folder
    }

    pub fn start(&mut self) {
        self.running = Some(postgres::launch(&self.programs, &self.folder));
    }

    /// Ends it at once, whoever is connected, and waits for its end.
    pub fn stop(&mut self) {
        let (id, log) = self.running.take().expect("it runs");
        let id = libc::pid_t::try_from(id).expect("process ids fit pid_t");
        // SAFETY: kill(2) takes two integers and touches no memory of ours; the thread that waits for the child has not seen its end, so
        // the id still belongs to it.
        unsafe {
            libc::kill(id, libc::SIGINT);
        }
        while log.recv().is_ok() {}
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.stop();
        }
    }
}
