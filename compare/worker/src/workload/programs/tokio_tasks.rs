//! A server's tasks: messages are made in one task, worked on in a second and dropped in a third, on whichever thread
//! the runtime puts them.

use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::job::Job;
use crate::rng::Rng;

const WORKERS: usize = 4;
const CHAINS: u64 = 64;
const UNDER_WAY: usize = 32;

pub fn run(job: &Job) -> Result<u64, String> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(job.threads.unwrap_or(WORKERS))
        .build()
        .map_err(|error| format!("the runtime does not start: {error}"))?;
    let each = job.ops.div_ceil(CHAINS);
    job.timed(|| {
        runtime.block_on(async {
            let chains: Vec<_> =
                (0..CHAINS).map(|chain| tokio::spawn(chain_of_three(each, job.seed + chain))).collect();
            for chain in chains {
                chain.await.map_err(|error| format!("a task failed: {error}"))?;
            }
            Ok::<(), String>(())
        })
    })?;
    Ok(each * CHAINS)
}

async fn chain_of_three(messages: u64, seed: u64) {
    let (to_worker, mut at_worker) = mpsc::channel::<Vec<u8>>(UNDER_WAY);
    let (to_sink, mut at_sink) = mpsc::channel::<(usize, String)>(UNDER_WAY);
    let source = tokio::spawn(async move {
        let mut rng = Rng::new(seed);
        for _ in 0..messages {
            let length = rng.log_within(32, 2048);
            if to_worker.send(vec![b'm'; length]).await.is_err() {
                return;
            }
        }
    });
    let worker = tokio::spawn(async move {
        while let Some(message) = at_worker.recv().await {
            let text = String::from_utf8_lossy(&message[..message.len() / 2]).into_owned();
            if to_sink.send((message.len(), text)).await.is_err() {
                return;
            }
        }
    });
    let mut bytes = 0;
    while let Some((length, text)) = at_sink.recv().await {
        bytes += length + text.len();
    }
    std::hint::black_box(bytes);
    // Both have ended: the sink's channel closes only after theirs.
    let _ = (source.await, worker.await);
}
