use std::thread;

fn main() {
    for _ in 0..3 {
        thread::spawn(|| {
            let mut counter: f64 = 0.00;
            loop {
                counter = std::hint::black_box(counter + 0.001);
            }
        });
    }
    loop {
        std::hint::spin_loop();
    }
}
