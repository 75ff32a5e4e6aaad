//! A gate between somebody and a server, which a test can close and open again.

use std::{
    io::{self, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Forwards to a server while it is open; closed, it takes connections and drops them.
pub(crate) struct Gate {
    /// Where to connect instead.
    pub(crate) host: String,
    state: Arc<Mutex<Passage>>,
}

struct Passage {
    open: bool,
    connections: Vec<TcpStream>,
}

impl Gate {
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let host = listener.local_addr().expect("bound").to_string();
        let state = Arc::new(Mutex::new(Passage { open: true, connections: Vec::new() }));
        let (passage, server) = (Arc::clone(&state), server.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().filter_map(Result::ok) {
                let mut passage = passage.lock().expect("no panic");
                let Some(far) = passage.open.then(|| TcpStream::connect(&server).ok()).flatten() else { continue };
                for (mut from, mut to) in [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())]
                    .into_iter()
                    .filter_map(|(a, b)| Some((a.ok()?, b.ok()?)))
                {
                    thread::spawn(move || {
                        io::copy(&mut from, &mut to).ok();
                        to.flush().ok();
                        to.shutdown(Shutdown::Both).ok();
                    });
                }
                passage.connections.extend([near, far]);
            }
        });
        Self { host, state }
    }

    /// From now on nothing passes, until it is opened again.
    pub(crate) fn set(&self, open: bool) {
        let mut passage = self.state.lock().expect("no panic");
        passage.open = open;
        if !open {
            passage.connections.drain(..).for_each(|c| drop(c.shutdown(Shutdown::Both)));
        }
    }
}
