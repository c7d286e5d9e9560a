//! A line between an agent and a server that breaks at any byte, or holds everything back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A line. It takes no more connections when it is dropped, and those it has break.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: Vec<(TcpStream, TcpStream)>,
    /// How many connections there were.
    count: usize,
    /// Bytes from the agent and to it that still pass before everything breaks; none where nothing is to break.
    up_left: Option<u64>,
    down_left: Option<u64>,
    is_held: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Up,
    Down,
}

impl Line {
    /// A line to this server.
    ///
    /// # Panics
    /// When the system has no port for it.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to: server,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.take(&listener)
        });
        Self { address, shared }
    }

    /// Where the agent dials.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there were so far.
    pub fn count(&self) -> usize {
        self.shared.lock().count
    }

    /// Breaks what there is.
    pub fn cut(&self) {
        self.shared.lock().cut();
    }

    /// Breaks once the agent has said so many bytes more.
    pub fn cut_after_up(&self, bytes: u64) {
        self.shared.lock().up_left = Some(bytes);
    }

    /// Breaks once the agent has been told so many bytes more.
    pub fn cut_after_down(&self, bytes: u64) {
        self.shared.lock().down_left = Some(bytes);
    }

    /// Nothing passes any more, either way; connections stay open.
    pub fn hold(&self) {
        self.shared.lock().is_held = true;
    }

    /// Everything passes again.
    pub fn release(&self) {
        self.shared.lock().is_held = false;
        self.shared.changed.notify_all();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.is_over = true;
            state.is_held = false;
            state.cut();
        }
        self.shared.changed.notify_all();
        // Whoever waits for the next connection finds that it is over.
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    fn cut(&mut self) {
        self.up_left = None;
        self.down_left = None;
        for (agent, server) in self.open.drain(..) {
            // It may be gone already.
            let _ = agent.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// How many of so many bytes pass.
    fn pass(&mut self, way: Way, count: usize) -> usize {
        let left = match way {
            Way::Up => &mut self.up_left,
            Way::Down => &mut self.down_left,
        };
        let Some(left) = left else { return count };
        let passes = usize::try_from(*left).unwrap_or(count).min(count);
        *left -= u64::try_from(passes).unwrap_or(0);
        passes
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, listener: &TcpListener) {
        for agent in listener.incoming() {
            if self.lock().is_over {
                return;
            }
            let (Ok(agent), Ok(server)) = (agent, TcpStream::connect(self.to)) else {
                continue;
            };
            let _ = agent.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let ends = || Some((agent.try_clone().ok()?, server.try_clone().ok()?));
            let (Some(kept), Some(up), Some(down)) = (ends(), ends(), ends()) else {
                continue;
            };
            {
                let mut state = self.lock();
                state.open.push(kept);
                state.count += 1;
            }
            let shared = Arc::clone(self);
            thread::spawn(move || shared.copy(Way::Up, &up.0, &up.1));
            let shared = Arc::clone(self);
            thread::spawn(move || shared.copy(Way::Down, &down.1, &down.0));
        }
    }

    fn copy(&self, way: Way, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut state = self.lock();
            while state.is_held {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let passes = state.pass(way, count);
            drop(state);
            if to.write_all(&buffer[..passes]).is_err() {
                break;
            }
            if passes < count {
                self.lock().cut();
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
