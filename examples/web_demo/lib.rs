//! Serves a web page that recognises the mood of a voice and recommends songs.

mod api;
mod app;
mod guard;
mod language;
mod listening;
mod options;
mod pace;
mod page;
mod palette;
mod passage;
mod pictures;
mod plain;
mod playable;
mod problem;
mod queue;
mod recognize;
mod recognizers;
mod recommend;
mod room;
mod schema;
mod serve;
mod upload;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use mood_recommender::Recommender;
use ser_examples::catalog::CatalogArguments;
use ser_examples::cli;
use ser_examples::model::{Model, ModelArguments};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::app::App;
use crate::guard::Hosts;
use crate::queue::Queue;
use crate::recognizers::Recognizers;
use crate::upload::Uploads;

/// Serves a web page that recognises the mood of a voice and recommends songs, and the JSON interface that the page uses.
///
/// Without arguments it uses a bundled model, a bundled starter catalogue and a bundled clip. It loads nothing from other servers, and
/// keeps no audio.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example web_demo -- --port 7860 --catalog data_moods.csv"
))]
struct Arguments {
    /// Port to listen on. 0 selects a free port.
    #[arg(long, default_value_t = 7860)]
    port: u16,
    /// IP address to listen on. 0.0.0.0 listens on all addresses. Browsers give a page access to the microphone only if it comes from the
    /// same machine or over HTTPS.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    #[command(flatten)]
    model: ModelArguments,
    /// Load another model, such as `small`, which requests can select by its name. Each model takes memory. May be given several times.
    #[arg(long, value_name = "MODEL")]
    also: Vec<PathBuf>,
    #[command(flatten)]
    catalog: CatalogArguments,
    /// Number of clips to recognise at the same time, 1 to 256 [default: the number of cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Seconds that a request waits for a free worker before the server refuses it, 0 to 60.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=60))]
    patience: u16,
    /// Answer requests for this host name too, in addition to `localhost` and IP addresses. May be given several times.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
}

/// Runs the server with the arguments of the command line until Ctrl-C or SIGTERM. Returns the exit code.
pub fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = arguments.workers.map_or(cores, usize::from);
    let patience = Duration::from_secs(arguments.patience.into());
    let recognizers = Recognizers::new(&models(arguments)?, workers, patience)?;
    let catalog = arguments.catalog.open()?;
    let recommender = Recommender::new(catalog).with_context(|| arguments.catalog.name())?;
    // This thread handles all connections, which is little work. Songs are recommended on other threads, one for each core. Recognition has
    // its own threads, because each thread keeps the memory of its largest task.
    let server = Builder::new_current_thread().enable_all().max_blocking_threads(cores).build()?;
    let recognitions = Builder::new_current_thread().max_blocking_threads(workers).build()?;
    let app = Arc::new(App {
        recognizers,
        recognitions: recognitions.handle().clone(),
        recommender,
        listing: Queue::new(cores, patience),
        uploads: Uploads::new(patience),
        playable: playable::room(),
    });
    let hosts = Hosts::new(&arguments.allow_host);

    server.block_on(async {
        let address = SocketAddr::new(arguments.host, arguments.port);
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("{address}: cannot be listened on (try `--port 0`, which takes a free port)")
        })?;
        cli::print(format!("listening on http://{}", listener.local_addr()?))?;
        serve::serve(listener, api::router(app, hosts), asked_to_stop()).await;
        Ok(())
    })
}

/// Opens all models. Returns each with its name.
///
/// # Errors
/// If a model cannot be opened, or if two models have the same name.
fn models(arguments: &Arguments) -> anyhow::Result<Vec<(String, Model)>> {
    let mut models: Vec<(String, Model)> = Vec::new();
    let further = arguments.also.iter().cloned().map(ModelArguments::of);
    for asked in std::iter::once(arguments.model.clone()).chain(further) {
        let name = asked.short_name();
        anyhow::ensure!(
            models.iter().all(|(other, _)| *other != name),
            "--also: names of models must differ, got {name} twice"
        );
        models.push((name, asked.open()?));
    }
    Ok(models)
}

/// Completes at Ctrl-C or, on Unix, at SIGTERM.
async fn asked_to_stop() {
    let interrupt = async {
        // If no handler can be set, Ctrl-C ends the process directly.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! { () = interrupt => (), _ = terminate.recv() => () }
            }
            Err(_) => interrupt.await,
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
}
