mod feed;
mod fixture;
mod left;
mod once;
mod property;
mod returning;
mod rows;
mod rules;
