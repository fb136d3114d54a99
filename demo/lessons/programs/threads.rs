// Several threads with an endless loop each, the main one among them, as in the
// lecture: its main thread loops too, and is the fourth hundred of its 400%.
use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

static DONE: AtomicU64 = AtomicU64::new(0);

// shown
fn work() {
    let mut counter: f64 = 0.0;
    for _ in 0..1_000_000 {
        counter = black_box(counter + 0.001);
    }
    DONE.fetch_add(1_000_000, Relaxed);
}

fn main() {
    for _ in 1..workers() {
        thread::spawn(|| loop { work() });
    }
    loop { work(); tell() }
}
// end

fn workers() -> usize {
    std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn tell() {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let now = BEGAN.get_or_init(Instant::now).elapsed();
    if now - Duration::from_millis(TOLD.load(Relaxed)) >= Duration::from_millis(100) {
        TOLD.store(now.as_millis() as u64, Relaxed);
        let mut out = std::io::stdout();
        if writeln!(out, "{}", DONE.load(Relaxed)).and_then(|_| out.flush()).is_err() {
            std::process::exit(1);
        }
    }
}
