//! Clients: coming, typing, going.

use crate::client::{Client, Received};
use crate::epoll::{Ready, Token, Watched};
use crate::failure;
use crate::shim::Shim;
use corten_shim_proto::{AttachOptions, Event, Failure};
use std::os::fd::OwnedFd;

impl Shim {
    /// Connects a client's stream to a process.
    pub(crate) fn add_client(
        &mut self,
        process: u32,
        terminal: bool,
        options: AttachOptions,
        socket: OwnedFd,
    ) -> Result<(), Failure> {
        let number = self.number();
        let watch = Watched::new(&self.epoll, socket, Token::Client(number))
            .map_err(|error| failure::of_io("watching a client", &error))?;
        let mut client = Client::new(process, options, terminal, watch);
        client.listen(true);
        self.clients.insert(number, client);
        Ok(())
    }

    pub(crate) fn client_is_ready(&mut self, number: u32, event: Ready) {
        if event.writable {
            let Some(client) = self.clients.get_mut(&number) else {
                return;
            };
            let process = client.process;
            if !client.flush() {
                self.drop_client(number);
                return;
            }
            self.listen_to_clients(process);
            self.listen_to_outputs(process);
        }
        if event.readable {
            self.receive(number, event.hung_up);
        }
    }

    fn receive(&mut self, number: u32, hung_up: bool) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        match client.receive() {
            Received::Nothing => {}
            Received::Bytes(bytes) => {
                let typed = client.detach.filter(&bytes);
                let (process, sends) = (client.process, client.options.stdin);
                if let Some(process) = self.processes.get_mut(&process)
                    && sends
                    && let Some(input) = &mut process.input
                {
                    input.push(&typed.bytes);
                    process.flush_input();
                }
                if typed.detached && sends {
                    let exec = self.processes.get(&process).and_then(|it| it.exec);
                    self.drop_client_quietly(number);
                    self.tell(&Event::Detached { exec });
                }
                self.listen_to_clients(process);
            }
            Received::End if hung_up => self.drop_client(number),
            Received::End => {
                client.typing = false;
                self.end_typing(number);
            }
        }
    }

    /// A client has sent all it will send. As with Docker, that ends the process's input
    /// where the container says so and there is no terminal; else it ends the client.
    fn end_typing(&mut self, number: u32) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        if !client.options.stdin {
            client.listen(false);
            return;
        }
        let Some(process) = self.processes.get_mut(&client.process) else {
            return;
        };
        if process.ends_with_client && process.console.is_none() {
            client.listen(false);
            if let Some(input) = &mut process.input {
                input.end();
            }
            process.flush_input();
        } else if process.input.is_some() {
            client.end();
            if client.flush() {
                client.listen(false);
            } else {
                self.drop_client_quietly(number);
            }
        } else {
            client.listen(false);
        }
    }

    /// A client is gone, and what it typed is all that comes.
    pub(crate) fn drop_client(&mut self, number: u32) {
        let Some(client) = self.clients.get(&number) else {
            return;
        };
        if client.options.stdin
            && client.typing
            && let Some(process) = self.processes.get_mut(&client.process)
            && process.ends_with_client
            && process.console.is_none()
            && let Some(input) = &mut process.input
        {
            input.end();
            process.flush_input();
        }
        self.drop_client_quietly(number);
    }

    fn drop_client_quietly(&mut self, number: u32) {
        if let Some(client) = self.clients.remove(&number) {
            self.listen_to_outputs(client.process);
        }
    }

    /// Input is taken as long as the process takes it.
    pub(crate) fn listen_to_clients(&mut self, number: u32) {
        let accepts = self
            .processes
            .get(&number)
            .is_none_or(|it| it.accepts_input());
        self.clients
            .retain(|_, client| client.process != number || client.listen(accepts));
    }
}
