//! `spkver serve`: answers over HTTP, until it is asked to stop.

use super::{global::Global, operating_point, output::Output};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    serve::{self, Limits, Service, Setup, Tokens, Verb, token},
};
use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Where to listen, whom to answer, and how much to do for them.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Service")]
pub struct Args {
    /// Address and port to listen on; port 0 takes any that is free. An address that other machines can
    /// reach needs --tokens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// File of bearer tokens and their rights, one token per line [default: every program on this
    /// machine may do everything]
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Make a token with this name, add it to the file, print it, and end; needs --tokens and --rights
    #[arg(long, value_name = "NAME", requires_all = ["tokens", "rights"])]
    new_token: Option<String>,
    /// What the new token may do: enroll, verify, identify, compare, delete, list, stream,
    /// metrics
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "new_token", value_parser = verb)]
    rights: Vec<Verb>,
    /// Let clients with the new token see scores; without this they see only the decision and the reason
    #[arg(long, requires = "new_token")]
    scores: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    point: operating_point::Args,
}

/// What a client can make the service hold or do.
#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Most tries per hour against one speaker that are not accepted; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_tries: u32,
    /// Most tries per hour by one client (token, or address) that are not accepted; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_client_tries: u32,
    /// Longest recording to accept, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=10_800))]
    max_seconds: u32,
    /// Largest request to accept, in bytes
    #[arg(long, value_name = "N", default_value_t = 32 << 20, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_bytes: u64,
    /// Most memory for the recordings of all requests together, in bytes
    #[arg(long, value_name = "N", default_value_t = 256 << 20, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    max_held_bytes: u64,
    /// Most requests at the same time; further ones get the status 503
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    max_requests: u32,
    /// Most connections at the same time; further ones have to wait
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    max_connections: u32,
    /// Longest time for a request to arrive (otherwise status 408) and then to get a processor
    /// (otherwise 503), in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout: u32,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let output = global.output();
    let tokens = match (&args.tokens, &args.new_token) {
        (Some(path), Some(name)) => return new_token(path, name, args, output),
        (Some(path), None) => Some(Tokens::read(path)?),
        (None, _) => None,
    };
    if tokens.is_none() && !args.listen.ip().is_loopback() {
        return Err(Error::Usage(format!(
            "--listen {}: other machines can reach this address; give --tokens FILE, or listen on \
             127.0.0.1",
            args.listen
        )));
    }
    let verifier = global.verifier()?;
    let model = verifier.file_id().to_string();
    let store = global.store_path()?;
    let started = Instant::now();
    let is_quiet = output.is_quiet();
    let service = Service::new(Setup {
        verifier,
        criterion: args.point.criterion(),
        secret: global.key.secret_for(&store)?,
        store: store.clone(),
        tokens,
        limits: args.limits.limits(),
        clock: Arc::new(move || started.elapsed()),
        log: Arc::new(move |event| {
            if !is_quiet {
                log(event);
            }
        }),
    })?;
    let failed = |doing: &'static str| {
        move |source| {
            Error::io_with(
                PathBuf::from(args.listen.to_string()),
                doing,
                source,
                "give another address or port with --listen",
            )
        }
    };
    let listener = TcpListener::bind(args.listen).map_err(failed("listen on this address"))?;
    let address = listener.local_addr();
    let address = address.map_err(failed("listen on this address"))?;
    let json = json!({
        "command": "serve",
        "address": address.to_string(),
        "model": model,
        "store": store.to_string_lossy(),
    });
    output.result(&format!("LISTENING  http://{address}"), &json)?;
    serve::serve(service, listener, stopped()).map_err(failed("serve connections"))?;
    Ok(0)
}

fn new_token(path: &Path, name: &str, args: &Args, output: &Output) -> Result<u8> {
    let token = token::add(path, name, &args.rights, args.scores)?;
    let rights: Vec<&str> = args.rights.iter().map(|verb| verb.name()).collect();
    let line = format!("TOKEN  {}  {}", name, token.as_str());
    let json = json!({
        "command": "serve",
        "name": name,
        "token": token.as_str(),
        "rights": rights,
        "scores": args.scores,
    });
    Ok(output.done(&line, &json))
}

/// Waits until the process is asked to stop, by Ctrl-C or SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // If there can be no handler, the signal ends the process at once.
        let mut terminated = match signal(SignalKind::terminate()) {
            Ok(signal) => signal,
            Err(_) => return std::future::pending().await,
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        // A second signal ends the program at once.
        tokio::spawn(async move {
            let code = tokio::select! {
                _ = tokio::signal::ctrl_c() => 130,
                _ = terminated.recv() => 143,
            };
            std::process::exit(code);
        });
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Writes one event with its time as a line on stderr.
fn log(mut event: Value) {
    event["time"] = json!(Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true));
    // The service goes on even if stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{event}");
}

fn verb(name: &str) -> std::result::Result<Verb, String> {
    let names = || Verb::ALL.map(Verb::name).join(", ");
    Verb::named(name).ok_or_else(|| format!("give some of {}", names()))
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes,
            max_seconds: self.max_seconds,
            max_requests: self.max_requests as usize,
            max_held_bytes: usize::try_from(self.max_held_bytes).unwrap_or(usize::MAX),
            max_connections: self.max_connections as usize,
            timeout: Duration::from_secs(self.timeout.into()),
            max_tries: self.max_tries,
            max_client_tries: self.max_client_tries,
        }
    }
}
