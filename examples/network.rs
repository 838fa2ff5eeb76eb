//! A network of two layers, as in NumPy textbooks, trained on a file of samples: one read of the file an epoch.
//!
//! Forward: `A1 = tanh(W1 @ X + b1)`, `A2 = sigmoid(W2 @ A1 + b2)`. Backward: `dZ2 = A2 - Y`, `dZ1 = W2.T @ dZ2 * (1 - A1**2)`, and
//! `dW = dZ @ A.T / m`, `db = sum(dZ) / m`. What an epoch needs of the samples are sums over them, so that it is one pass.
//!
//! `cargo run --release --example network`

use ndarray::{Array1, Array2, ArrayView2, Axis, Ix2, concatenate, s};
use outcore::{Array, Destination, Error, Job, Random, Result, Session};

const FEATURES: usize = 2;
const HIDDEN: usize = 4;
const SAMPLES: usize = 50_000;
const EPOCHS: usize = 30;
const RATE: f64 = 1.2;

/// Weights, or sums of gradients and the loss.
#[derive(Clone)]
struct Layers {
    first: Array2<f64>,
    first_bias: Array1<f64>,
    second: Array1<f64>,
    second_bias: f64,
    loss: f64,
}

impl Layers {
    fn zeros() -> Layers {
        let (first, first_bias) = (Array2::zeros((HIDDEN, FEATURES)), Array1::zeros(HIDDEN));
        Layers { first, first_bias, second: Array1::zeros(HIDDEN), second_bias: 0.0, loss: 0.0 }
    }

    /// Adds `factor` times another one.
    fn add(&mut self, factor: f64, other: &Layers) {
        self.first.scaled_add(factor, &other.first);
        self.first_bias.scaled_add(factor, &other.first_bias);
        self.second.scaled_add(factor, &other.second);
        self.second_bias += factor * other.second_bias;
        self.loss += factor * other.loss;
    }

    /// Sums of gradients and of losses over samples, one a row: features, then what is to be predicted.
    fn gradients(&self, samples: ArrayView2<'_, f64>) -> Layers {
        let (x, y) = (samples.slice(s![.., ..FEATURES]), samples.column(FEATURES));
        let a1 = (x.dot(&self.first.t()) + &self.first_bias).mapv(f64::tanh);
        let a2 = (a1.dot(&self.second) + self.second_bias).mapv(|z| 1.0 / (1.0 + (-z).exp()));
        let losses = a2.iter().zip(y).map(|(a, y)| -(y * a.ln() + (1.0 - y) * (1.0 - a).ln()));
        let dz2 = &a2 - &y;
        let dz1 = dz2.view().insert_axis(Axis(1)).dot(&self.second.view().insert_axis(Axis(0))) * a1.mapv(|a| 1.0 - a * a);
        Layers {
            first: dz1.t().dot(&x),
            first_bias: dz1.sum_axis(Axis(0)),
            second: a1.t().dot(&dz2),
            second_bias: dz2.sum(),
            loss: losses.sum(),
        }
    }

    fn from_flat(values: &[f64]) -> Layers {
        let (first, rest) = values.split_at(HIDDEN * FEATURES);
        let (first_bias, rest) = rest.split_at(HIDDEN);
        let (second, rest) = rest.split_at(HIDDEN);
        let first = Array2::from_shape_fn((HIDDEN, FEATURES), |(row, column)| first[row * FEATURES + column]);
        Layers { first, first_bias: first_bias.to_vec().into(), second: second.to_vec().into(), second_bias: rest[0], loss: rest[1] }
    }
}

/// One epoch over the file: sums of gradients and the loss, and how often it was read. Every array below is lazy; what is asked of them
/// together is one pass, in which products are multiplied block by block.
fn epoch(session: &Session, samples: &Array, weights: &Layers) -> Result<(Layers, usize)> {
    let samples = samples.cast::<f64>();
    let (x, y) = (samples.slice(s![.., ..FEATURES]).t(), samples.slice(s![.., FEATURES..]).t());
    let w1 = session.from_ndarray(weights.first.clone());
    let b1 = session.from_ndarray(weights.first_bias.clone().insert_axis(Axis(1)));
    let w2 = session.from_ndarray(weights.second.clone().insert_axis(Axis(0)));
    // Forward.
    let a1 = (w1.matmul(&x) + b1).tanh();
    let a2 = (w2.matmul(&a1) + weights.second_bias).sigmoid();
    let losses = -(&y * a2.log() + (1.0 - &y) * (1.0 - &a2).log());
    // Backward.
    let dz2 = &a2 - &y;
    let dz1 = w2.t().matmul(&dz2) * (1.0 - a1.square());
    let gradients = [dz1.matmul(&x.t()), dz1.sum(1), dz2.matmul(&a1.t()), dz2.sum(1), losses.sum(1)];
    let job = gradients.iter().zip(["dW1", "db1", "dW2", "db2", "loss"]);
    let done = job.fold(Job::new(session), |job, (array, name)| job.output(name, array, Destination::Memory)).run()?;
    let reads = done.report.stats.passes.iter().filter(|(name, _)| name.ends_with("samples.npy")).map(|(_, times)| *times).sum();
    let values = done.arrays.iter().flatten().map(|array| array.as_slice::<f64>());
    let flat: Vec<f64> = values.collect::<Result<Vec<&[f64]>>>()?.concat();
    Ok((Layers::from_flat(&flat), reads))
}

fn main() -> Result<()> {
    let session = Session::builder().memory("16MiB").build()?;
    let folder = tempfile::tempdir().map_err(|error| Error::io("create", "a temporary folder", error))?;
    let path = folder.path().join("samples.npy");
    // Points of the plane; one label where both coordinates have one sign, the other elsewhere.
    let points = session.adopt(Random::new(1).normal::<f32>([SAMPLES, FEATURES], 0.0, 1.0)).eval::<f32, Ix2>()?;
    let labels = points.map_axis(Axis(1), |point| f32::from(u8::from(point[0] * point[1] > 0.0))).insert_axis(Axis(1));
    let all = concatenate![Axis(1), points, labels];
    session.from_ndarray(all.clone()).save(&path)?;

    let mut weights = Layers::zeros();
    let drawn = session.adopt(Random::new(2).normal::<f64>([HIDDEN, FEATURES + 1], 0.0, 0.5)).eval::<f64, Ix2>()?;
    weights.first.assign(&drawn.slice(s![.., ..FEATURES]));
    weights.second.assign(&drawn.column(FEATURES));
    let (mut plain, in_memory) = (weights.clone(), all.mapv(f64::from));

    let samples = session.open(&path);
    let (mut apart, mut reads) = (0f64, 0);
    for number in 0..EPOCHS {
        let (sums, read) = epoch(&session, &samples, &weights)?;
        let wanted = plain.gradients(in_memory.view());
        let m = SAMPLES as f64;
        apart = apart.max((sums.loss - wanted.loss).abs() / m);
        reads = reads.max(read);
        if number % 10 == 0 || number + 1 == EPOCHS {
            println!("epoch {number}: loss {:.6}", sums.loss / m);
        }
        weights.add(-RATE / m, &sums);
        plain.add(-RATE / m, &wanted);
    }
    if reads == 1 {
        println!("samples.npy was read once an epoch");
    }
    println!("losses differ by at most {apart:e}");
    Ok(())
}
