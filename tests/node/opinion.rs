//! What a node thinks of a block of work, before anybody has mined it.

use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::bytes::hex;
use mpos_stratum::chain::form::ChainForm;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::proposal::{Opinion, propose};
use mpos_stratum::pow::ids::TransactionHash;
use mpos_stratum::work::job::{Job, JobRecipe};
use mpos_stratum::work::template::Template;

/// The opinion of the first of the nodes.
pub async fn opinion(nodes: &Nodes, template: Arc<Template>, form: &Arc<ChainForm>) -> Opinion {
    let recipe = JobRecipe {
        payout_script: vec![0x51],
        fixed: Vec::new(),
        recipients: Vec::new(),
        form: Arc::clone(form),
        text: "early".into(),
        entropy: [7; 6],
        transaction_hash: TransactionHash::Sha256d,
    };
    let job = Job::new(1, 1, template, Arc::new(recipe), Duration::ZERO, 4).unwrap();
    propose(&nodes.all()[0], form, &hex::encode(&job.proposal(4).unwrap())).await
}
