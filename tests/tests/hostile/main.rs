//! Containers that do what they can to everybody else: floods, full disks, file systems that hang, names
//! made to be misread. What is around them goes on.

mod disk;
mod floods;
mod hung;
mod names;
mod scene;
