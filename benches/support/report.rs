//! Rounds, medians and ratios. Sides are measured in turn within each round, and a ratio is the median of the
//! rounds' own ratios: what else the machine does at the time hits both sides alike.

use std::time::Duration;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Rows moved.
    pub(crate) rows: u64,
    /// Their size as Arrow buffers.
    pub(crate) bytes: u64,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// All measurements of one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    id: String,
    side: String,
    samples: Vec<Sample>,
}

impl Report {
    /// Takes one round's measurement of `side` (which server) under `id` (`{operation}/{shape}/{transport}`).
    pub(crate) fn note(&mut self, id: &str, side: &str, sample: Sample) {
        print_line(id, side, sample);
        match self.series.iter_mut().find(|series| series.id == id && series.side == side) {
            Some(series) => series.samples.push(sample),
            None => self.series.push(Series { id: id.to_owned(), side: side.to_owned(), samples: vec![sample] }),
        }
    }

    /// Prints the median of each series.
    pub(crate) fn print_medians(&self) {
        println!("\nmedians");
        for Series { id, side, samples } in &self.series {
            let mut samples = samples.clone();
            samples.sort_by_key(|sample| sample.elapsed);
            print_line(id, side, samples[samples.len() / 2]);
        }
        println!("\nratios of speed (median of the rounds' ratios)");
    }

    /// Prints how many times as fast as `(id, side)` `other` the series `one` was, and what is aimed at.
    pub(crate) fn print_ratio(&self, one: (&str, &str), other: (&str, &str), aim: Option<f64>) {
        let (Some(ones), Some(others)) = (self.samples(one), self.samples(other)) else { return };
        let speed = |sample: &Sample| sample.rows as f64 / sample.elapsed.as_secs_f64();
        let mut ratios: Vec<_> = ones.iter().zip(others).map(|(one, other)| speed(one) / speed(other)).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios[ratios.len() / 2];
        let name = format!("{} {} : {} {}", one.0, one.1, other.0, other.1);
        let verdict = match aim {
            None => String::new(),
            Some(aim) if ratio >= aim => format!("  aim {aim:.1}: reached"),
            Some(aim) => format!("  aim {aim:.1}: MISSED"),
        };
        println!("  {name:<64} {ratio:5.2}{verdict}");
    }

    fn samples(&self, (id, side): (&str, &str)) -> Option<&[Sample]> {
        self.series.iter().find(|series| series.id == id && series.side == side).map(|series| &series.samples[..])
    }
}

fn print_line(id: &str, side: &str, Sample { rows, bytes, elapsed }: Sample) {
    let seconds = elapsed.as_secs_f64();
    let (rows, bytes) = (rows as f64 / seconds, bytes as f64 / seconds / 1e6);
    let (rows, unit) = if rows < 1e5 { (rows, " ") } else { (rows / 1e6, "M") };
    println!("  {id:<24} {side:<16} {seconds:7.3} s  {rows:7.2} {unit}rows/s  {bytes:7.0} MB/s");
}
