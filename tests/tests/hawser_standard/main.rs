//! The agent that is dialled, as a program, in front of the real pair: asked by raw requests, by the real `docker`
//! command, and for stacks by the real `docker-compose`.

mod command;
mod front;
mod scene;
mod secure;
mod stacks;
