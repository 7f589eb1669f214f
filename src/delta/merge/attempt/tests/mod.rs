mod cancelled;
mod contended;
mod end_to_end;
mod fixture;
mod redone;
mod stores;
mod told;
