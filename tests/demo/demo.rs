//! The whole way of a share in a minute, with everything real but the miners' hardware: two
//! litecoind on regtest, a MariaDB with MPOS's tables, the daemon, three small CPU miners.
//!
//! `make demo`, or `target/release/examples/demo [--keep] [--secs N]`
//!
//! Ends with 0 if blocks were found, are the node's own chain, and MPOS's table says exactly what the
//! miners were told.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the demo is a picture in a terminal")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "shared with the tests, which may end at the first surprise"
)]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod crew;
mod picture;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use crew::Crew;
use picture::Picture;
use stage::Stage;

/// How long the picture runs unless told otherwise.
const SHOW_SECS: u64 = 45;
/// Time between two pictures.
const FRAME: Duration = Duration::from_secs(1);

/// Whatever went wrong, in words.
type Failure = Box<dyn std::error::Error>;

/// What the command line asks for.
struct Arguments {
    keep: bool,
    secs: u64,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { keep: false, secs: SHOW_SECS };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--keep" => arguments.keep = true,
                "--secs" => {
                    let secs = words.next().and_then(|secs| secs.parse().ok());
                    arguments.secs = secs.ok_or("--secs needs a number")?;
                }
                _ => return Err(format!("unknown argument {word}: there are --keep and --secs N")),
            }
        }
        Ok(arguments)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(64);
        }
    };
    match show(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("\nthe demo broke off: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo; true if everything is as it must be. Everything started here ends with it.
async fn show(arguments: &Arguments) -> Result<bool, Failure> {
    println!("starting MariaDB, two litecoind on regtest and mpos-stratum ...");
    let stage = Stage::start(arguments.keep).await?;
    let crew = Crew::start(stage.port);
    let picture = Picture::new(&stage, arguments);

    let mut frames = tokio::time::interval(FRAME);
    let mut curtain = Box::pin(end_of_show(arguments));
    let early_end = loop {
        tokio::select! {
            _ = frames.tick() => {
                picture.draw(&stage, &crew).await;
                if let Some(trouble) = crew.trouble() {
                    break Some(trouble);
                }
            }
            () = &mut curtain => break None,
        }
    };
    println!("\nstopping the miners, waiting for the last rows ...");
    let told = crew.stop().await;
    if let Some(trouble) = early_end {
        return Err(trouble.into());
    }
    let audit = audit::Audit::of(&stage, &told).await;
    audit.print();
    let ended = stage.stop().await?;
    println!("mpos-stratum stopped: {ended}");
    Ok(audit.holds() && ended.success())
}

/// Ctrl-C, or without `--keep` the time of the show.
async fn end_of_show(arguments: &Arguments) {
    let time_is_up = async {
        if arguments.keep {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(arguments.secs)).await;
    };
    tokio::select! {
        // Without a handler for Ctrl-C the signal itself ends the demo.
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = time_is_up => {}
    }
}
