//! Hands the target triple to `z6 version`.
#![allow(clippy::print_stdout)]

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(target) = std::env::var("TARGET") {
        println!("cargo:rustc-env=Z6_TARGET_TRIPLE={target}");
    }
}
