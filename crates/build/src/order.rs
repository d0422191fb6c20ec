//! Work that needs other work: each piece begins when all it needs is done, those that do
//! not need each other go on together. One loop, so that no depth of a graph costs stack.

use crate::Result;
use futures_util::{StreamExt, stream::FuturesUnordered};

/// Runs every node of a graph without cycles; `needs[n]` are the nodes that `n` needs. The
/// first failure ends all.
pub(crate) async fn in_order<Work>(needs: &[Vec<usize>], run: impl Fn(usize) -> Work) -> Result<()>
where
    Work: Future<Output = Result<()>>,
{
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (node, list) in needs.iter().enumerate() {
        for need in list {
            needed_by[*need].push(node);
        }
    }
    let begin = |node: usize| {
        let work = run(node);
        async move { work.await.map(|()| node) }
    };
    let mut running = FuturesUnordered::new();
    for (node, count) in waiting.iter().enumerate() {
        if *count == 0 {
            running.push(begin(node));
        }
    }
    while let Some(done) = running.next().await {
        for node in &needed_by[done?] {
            waiting[*node] -= 1;
            if waiting[*node] == 0 {
                running.push(begin(*node));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[tokio::test]
    async fn a_piece_begins_after_all_it_needs() {
        let done = RefCell::new(Vec::new());
        let needs = vec![vec![2, 1], vec![2], vec![], vec![]];
        in_order(&needs, async |node| {
            tokio::task::yield_now().await;
            done.borrow_mut().push(node);
            Ok(())
        })
        .await
        .unwrap();
        let done = done.into_inner();
        let place = |node| done.iter().position(|it| *it == node);
        assert_eq!(done.len(), 4);
        assert!(place(2) < place(1) && place(1) < place(0));
    }
}
