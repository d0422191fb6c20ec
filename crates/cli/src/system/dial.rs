//! `system dial-stdio`: stdin and stdout become a connection to the engine, for clients
//! that come over ssh.

use crate::{app::Call, container::streams::Standard, error::CliError, files};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Copies both ways until the engine closes its side.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let stream = call.client().await?.dial().await?;
    let (mut from, mut to) = tokio::io::split(stream);
    let failed = |error: std::io::Error| CliError::Text(error.to_string());
    let send = async {
        let mut pieces = Box::pin(files::pieces(std::io::stdin()));
        while let Some(Ok(piece)) = pieces.next().await {
            if to.write_all(&piece).await.is_err() || to.flush().await.is_err() {
                return;
            }
        }
        // The far side reads the end of our input; it may have closed already.
        let _ = to.shutdown().await;
    };
    let receive = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer).await? {
                0 => return Ok::<(), std::io::Error>(()),
                length => Standard::Output.write_all(&buffer[..length]).await?,
            }
        }
    };
    tokio::pin!(send, receive);
    tokio::select! {
        result = &mut receive => result.map_err(failed)?,
        () = &mut send => receive.await.map_err(failed)?,
    }
    Ok(0)
}
