// The threads of threads.rs, that take turns at one number behind one lock.
use std::hint::black_box;
use std::io::Write;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

// shown
static ALL: Mutex<(u64, f64)> =
    Mutex::new((0, 0.0));

fn work() {
    let mut all = ALL.lock().unwrap();
    for _ in 0..100 {
        all.1 = black_box(all.1 + 0.001);
    }
    all.0 += 100;
}

fn main() {
    for _ in 0..workers() {
        thread::spawn(|| loop { work() });
    }
    loop { tell() }
}
// end

fn workers() -> usize {
    std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn tell() {
    thread::sleep(Duration::from_millis(100));
    let done = ALL.lock().unwrap().0;
    let mut out = std::io::stdout();
    if writeln!(out, "{done}").and_then(|_| out.flush()).is_err() {
        std::process::exit(1);
    }
}
