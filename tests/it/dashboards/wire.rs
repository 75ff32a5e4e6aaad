//! A wire between Filin and a server, which a test can cut and mend.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

pub(super) struct Wire {
    /// Where to connect instead.
    pub(super) host: String,
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    pub(super) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let host = listener.local_addr().expect("bound").to_string();
        let wire = Self { host, cut: Arc::default(), open: Arc::default() };
        let (server, cut, open) = (server.to_owned(), Arc::clone(&wire.cut), Arc::clone(&wire.open));
        thread::spawn(move || {
            for near in listener.incoming().filter_map(Result::ok) {
                // Whoever comes while it is cut hears that the connection ended.
                let Some(far) = (!cut.load(Ordering::SeqCst)).then(|| TcpStream::connect(&server).ok()).flatten() else { continue };
                open.lock().expect("no panic").extend([&near, &far].map(twin));
                for (mut from, mut to) in [(twin(&near), twin(&far)), (far, near)] {
                    thread::spawn(move || {
                        io::copy(&mut from, &mut to).ok();
                        to.shutdown(Shutdown::Write).ok();
                    });
                }
            }
        });
        wire
    }

    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.open.lock().expect("no panic").drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    pub(super) fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn twin(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a socket")
}
