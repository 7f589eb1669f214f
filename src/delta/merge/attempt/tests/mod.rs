mod cancelled;
mod contended;
mod fixture;
mod redone;
mod stores;
mod told;
