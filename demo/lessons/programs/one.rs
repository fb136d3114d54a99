// One thread with an endless loop, which counts what it has done and says so.
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

fn main() {
    let (mut n, mut told) = (0u64, Instant::now());
    // shown
    let mut counter: f64 = 0.0;
    loop {
        for _ in 0..1_000_000 {
            counter = black_box(counter + 0.001);
        }
        n += 1_000_000;
        tell(n, &mut told);
    }
    // end
}

fn tell(n: u64, told: &mut Instant) {
    if told.elapsed() >= Duration::from_millis(100) {
        *told = Instant::now();
        let mut out = std::io::stdout();
        if writeln!(out, "{n}").and_then(|_| out.flush()).is_err() {
            std::process::exit(1);
        }
    }
}
