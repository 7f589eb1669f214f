//! Feeds a target, watches over it, and says how to repeat what went wrong.

use std::{
    collections::HashSet,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{Outcome, THREAD, Target, mutate::mutate};
use crate::protocol::golden::Noise;

/// How long each target is fed unless told otherwise: with all targets on two cores half a minute.
const SECONDS_DEFAULT: u64 = 2;

/// How long one input may take: some thousand times what the slowest honest one does.
const INPUT_TIME_MAX: Duration = Duration::from_secs(1);

/// After this long an input is said to hang; it cannot be stopped, so the test ends without it.
const HANG: Duration = Duration::from_secs(60);

/// Growth is looked at after so many inputs, and then one by one if there was some.
const INPUTS_PER_LOOK: usize = 512;

/// Inputs of a new outcome that are kept to build upon.
const POOL_MAX: usize = 4_000;

/// What the watcher knows of the thread that works: the input, and since when.
type Current = Mutex<(Vec<u8>, Instant)>;

/// Feeds the target for its time.
///
/// # Panics
/// With the file that holds the input, if one failed.
pub(super) fn fuzz(target: &Target) {
    quiet_hook();
    let current: Current = Mutex::new((Vec::new(), Instant::now()));
    let plan = Plan::from_environment();
    let (report, reports) = mpsc::channel();
    thread::scope(|scope| {
        let worker = thread::Builder::new().name(THREAD.to_owned());
        let work = || report.send(Fuzzer::new(target, &plan, &current).run());
        worker.spawn_scoped(scope, work).expect("a thread");
        let result = loop {
            match reports.recv_timeout(Duration::from_secs(1)) {
                Ok(result) => break result,
                Err(_) => check_hang(target, &current),
            }
        };
        match result {
            Ok(fed) => eprintln!("fuzz {}: {fed} in {:?}", target.name, plan.time),
            Err(Failure { input, reason }) => panic!("{}: {reason}; {}", target.name, saved(target, &input)),
        }
    });
}

/// Names of the directories of kept inputs.
pub(super) fn kept_directories() -> Vec<String> {
    let entries = fs::read_dir(kept_root()).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    entries.map(|entry| entry.file_name().into_string().expect("targets are words")).collect()
}

struct Plan {
    time: Duration,
    seed: u64,
    /// No other test runs beside it, so that growth can be told.
    alone: bool,
}

impl Plan {
    fn from_environment() -> Self {
        let number =
            |name: &str| env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")));
        let seconds: Option<u64> = number("DELTAPORT_FUZZ_SECONDS");
        let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
        let seed = number("DELTAPORT_FUZZ_SEED").unwrap_or_else(|| seconds.map_or(1, |_| clock()));
        if seconds.is_some() {
            eprintln!("fuzz: DELTAPORT_FUZZ_SEED={seed}");
        }
        let alone = env::var_os("RUST_TEST_THREADS").is_some_and(|threads| threads == "1");
        Self { time: Duration::from_secs(seconds.unwrap_or(SECONDS_DEFAULT)), seed, alone }
    }
}

struct Failure {
    input: Vec<u8>,
    reason: String,
}

struct Fuzzer<'a> {
    target: &'a Target,
    plan: &'a Plan,
    current: &'a Current,
    noise: Noise,
    pool: Vec<Vec<u8>>,
    outcomes: HashSet<Outcome>,
}

impl<'a> Fuzzer<'a> {
    fn new(target: &'a Target, plan: &'a Plan, current: &'a Current) -> Self {
        let (noise, outcomes) = (Noise::new(plan.seed), HashSet::new());
        Self { target, plan, current, noise, pool: Vec::new(), outcomes }
    }

    fn run(mut self) -> Result<String, Failure> {
        for seed in (self.target.seeds)().into_iter().chain(kept(self.target)) {
            let outcome = self.feed(&seed)?;
            self.outcomes.insert(outcome);
            self.pool.push(seed);
        }
        assert!(!self.pool.is_empty(), "{} has no seeds", self.target.name);
        let (since, mut count) = (Instant::now(), self.pool.len() as u64);
        while since.elapsed() < self.plan.time {
            count += INPUTS_PER_LOOK as u64;
            self.feed_many()?;
        }
        Ok(format!("{count} inputs, {} outcomes", self.outcomes.len()))
    }

    fn feed_many(&mut self) -> Result<(), Failure> {
        let before = self.plan.alone.then(Memory::reset);
        let mut inputs = Vec::with_capacity(INPUTS_PER_LOOK);
        for _ in 0..INPUTS_PER_LOOK {
            let (at, other) = (self.noise.below(self.pool.len()), self.noise.below(self.pool.len()));
            let input = mutate(&mut self.noise, self.target.grammar, &self.pool[at], &self.pool[other]);
            let outcome = self.feed(&input)?;
            if self.outcomes.insert(outcome) && self.pool.len() < POOL_MAX {
                self.pool.push(input.clone());
            }
            if before.is_some() {
                inputs.push(input);
            }
        }
        match before {
            Some(before) if before.growth_bytes() > self.target.growth_bytes_max => self.find_growth(inputs),
            _ => Ok(()),
        }
    }

    fn find_growth(&self, inputs: Vec<Vec<u8>>) -> Result<(), Failure> {
        for input in inputs {
            let before = Memory::reset();
            self.feed(&input)?;
            let grown = before.growth_bytes();
            if grown > self.target.growth_bytes_max {
                return Err(Failure { input, reason: format!("it took {} MiB", grown >> 20) });
            }
        }
        Ok(())
    }

    fn feed(&self, input: &[u8]) -> Result<Outcome, Failure> {
        let failed = |reason: String| Failure { input: input.to_vec(), reason };
        let since = Instant::now();
        {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            current.0.clear();
            current.0.extend_from_slice(input);
            current.1 = since;
        }
        let run = || catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let outcome = run().map_err(|panic| failed(format!("it panicked: {}", text(panic.as_ref()))))?;
        if since.elapsed() > INPUT_TIME_MAX {
            // The machine may have been busy with something else.
            let before = time_on_processor();
            run().map_err(|_| failed("it panicked the second time".to_owned()))?;
            let took = time_on_processor().saturating_sub(before);
            if took > INPUT_TIME_MAX {
                return Err(failed(format!("it took {took:?}")));
            }
        }
        Ok(outcome)
    }
}

/// How long this thread has run (proc(5), schedstat).
fn time_on_processor() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the time of threads");
    let first = stat.split(' ').next().expect("three numbers");
    Duration::from_nanos(first.parse().expect("a number"))
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a word").to_owned()
}

fn check_hang(target: &Target, current: &Current) {
    let current = current.lock().unwrap_or_else(PoisonError::into_inner);
    if current.1.elapsed() > HANG {
        // The thread that hangs cannot be joined, so neither can this test.
        eprintln!("{}: it hangs; {}", target.name, saved(target, &current.0));
        std::process::abort();
    }
}

/// The resident size of this process (proc(5)).
struct Memory {
    before_bytes: u64,
}

impl Memory {
    /// Begins to look for the highest size from here on.
    fn reset() -> Self {
        fs::write("/proc/self/clear_refs", "5").expect("Linux keeps a high water mark");
        Self { before_bytes: status_bytes("VmRSS:") }
    }

    fn growth_bytes(&self) -> u64 {
        status_bytes("VmHWM:").saturating_sub(self.before_bytes)
    }
}

fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells of processes");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it tells sizes");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") << 10
}

fn kept_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn kept(target: &Target) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(kept_root().join(target.name)).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a kept input is readable")).collect()
}

/// Writes the input where it can be found, and says what to do with it.
fn saved(target: &Target, input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = env::temp_dir().join(format!("deltaport-fuzz-{}-{:016x}", target.name, hasher.finish()));
    match fs::write(&path, input) {
        Ok(()) => format!("the input is {}: keep it under fuzz/{}/", path.display(), target.name),
        Err(error) => format!("the input is {input:02x?} ({error})"),
    }
}

/// Decoders may panic behind a seam that catches it; millions of reports would drown the one that counts.
fn quiet_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if thread::current().name() != Some(THREAD) {
                default(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{GROWTH_BYTES_MAX, Grammar};

    /// A decoder with a step behind a step, as deep bugs lie.
    fn breaks(bytes: &[u8]) -> Outcome {
        match bytes {
            [b'h', b'i', 0xff, ..] => panic!("found"),
            [b'h', b'i', ..] => Outcome::from("nearly"),
            [b'h', ..] => Outcome::from("a little"),
            _ => Outcome::from("no"),
        }
    }

    #[test]
    #[should_panic(expected = "broken: it panicked: found")]
    fn what_breaks_is_found() {
        let seeds = || vec![b"hello".to_vec(), b"ii".to_vec()];
        fuzz(&Target {
            name: "broken",
            grammar: Grammar::Binary,
            growth_bytes_max: GROWTH_BYTES_MAX,
            run: breaks,
            seeds,
        });
    }
}
