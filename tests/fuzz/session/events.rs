//! One step of a life: what the next bytes stand for.

use std::time::Duration;

use mpos_stratum::pow::Cost;

use super::books::header_of;
use super::life::Life;
use super::lines;
use super::link::{Asked, Submit};

/// By how many milliseconds time goes on.
const PASSES: [u64; 10] = [1, 20, 100, 1000, 5000, 16_000, 51_000, 61_000, 300_000, 4_000_000];

impl Life<'_> {
    /// One event.
    pub fn step(&mut self) {
        if self.links.is_empty() {
            self.connect();
        }
        let event = self.tape.roll(40);
        let nth = self.tape.roll(self.links.len());
        match event {
            0 | 1 => self.subscribe(nth),
            2 | 3 => {
                let line = lines::authorize(&mut self.tape, &mut self.links[nth]);
                self.say(nth, &line, None);
            }
            4 => {
                let line = lines::wish(&mut self.tape, &mut self.links[nth]);
                self.say(nth, &line, None);
            }
            5 => {
                let line = lines::other(&mut self.tape, &mut self.links[nth]);
                self.say(nth, &line, None);
            }
            6..=13 => self.submit(nth),
            14 | 15 => self.repeat(nth),
            16 => {
                let line = lines::spoilt(&mut self.tape, &mut self.links[nth]);
                self.say(nth, &line, None);
            }
            17..=20 => {
                let which = self.tape.roll(self.links[nth].authorising.len().max(1));
                let kind = self.tape.roll(12);
                self.authorise(nth, which, kind);
            }
            21..=23 => {
                let which = self.tape.roll(self.links[nth].hashing.len().max(1));
                self.hash(nth, which);
            }
            24 | 25 => {
                self.write(nth);
                self.settle(nth);
            }
            26 => self.desk_is_prompt = self.tape.one_in(2),
            27 => self.desk_works = !self.tape.one_in(2),
            28 | 29 => self.sync(nth),
            30 => self.pass_time(nth),
            31 => self.ring(nth),
            32 | 33 => self.change_work(),
            34 | 35 => self.look(nth),
            36 => self.listen(nth),
            37 => self.burst(nth),
            _ => self.come_and_go(nth),
        }
        self.check_jobs();
        self.lose_deaf_and_closed();
    }

    /// Says a line, if the connection would read it.
    fn say(&mut self, nth: usize, line: &[u8], submit: Option<Submit>) {
        let (now, board) = (self.now(), self.board.clone());
        let link = &mut self.links[nth];
        if link.may_say() {
            link.expect(line, submit);
            link.session.on_line(now, line, &board);
            drop(board);
            self.settle(nth);
        }
    }

    fn subscribe(&mut self, nth: usize) {
        let ids: Vec<&String> = self.parted.keys().collect();
        let resumed = self.tape.one_in(2).then(|| ids.get(self.tape.roll(ids.len().max(1)))).flatten();
        let resumed = resumed.map(|id| (*id).clone());
        if let Some(told) = resumed.as_ref().and_then(|id| self.parted.get(id)).cloned() {
            self.links[nth].inherited.extend(told);
        }
        let line = lines::subscribe(&mut self.tape, &mut self.links[nth], resumed.as_deref());
        self.say(nth, &line, None);
    }

    fn submit(&mut self, nth: usize) {
        let Some((line, name, share)) = lines::submit(&mut self.tape, &mut self.links[nth]) else { return };
        let link = &mut self.links[nth];
        let job = link.jobs.back().filter(|job| job.id == share.job);
        let serial = self.board.job.as_ref().map(|job| format!("{:08x}", job.serial));
        let is_newest = job.zip(serial).is_some_and(|(job, serial)| job.id.starts_with(&serial));
        // Another may come to be in force before it is judged.
        let is_sure = self.terms.algorithm.cost() == Cost::Inline && link.deaf_since.is_none();
        let is_plain = share.choice.version_bits.is_none()
            && job.is_some_and(|job| job.time == share.choice.time && job.extranonce1 == link.in_force.extranonce1);
        let is_known = link.granted.contains_key(&name) && link.authorising.is_empty();
        let is_good = is_newest
            && is_sure
            && is_plain
            && is_known
            && share.meets_share_target
            && link.subscribed
            && !link.in_force.extranonce1.is_empty()
            && !link.waits_for(&Asked::Subscription)
            && !self.books.submitted.contains(share.header.as_slice());
        let known = lines::known(link, &share, is_good);
        if link.may_say() {
            // Also if the pool may put another header together: it need not.
            self.books.submitted.insert(header_of(&share.header));
            if known.is_some() {
                link.shares.push((name, share));
            }
        }
        self.say(nth, &line, known);
    }

    fn repeat(&mut self, nth: usize) {
        if let Some((line, share)) = lines::repeat(&mut self.tape, &mut self.links[nth]) {
            // The mask may have changed.
            let known = lines::known(&self.links[nth], &share, false).filter(|_| share.choice.version_bits.is_none());
            self.say(nth, &line, known);
        }
    }

    /// The disk has caught up, perhaps not with everything.
    fn sync(&mut self, nth: usize) {
        let behind = self.tape.roll(3) as u64;
        self.books.synced = self.books.synced.max(self.books.seq.saturating_sub(behind));
        self.links[nth].session.on_synced(self.books.synced, self.monotonic);
        self.settle(nth);
    }

    fn pass_time(&mut self, nth: usize) {
        let by = PASSES[self.tape.roll(PASSES.len())];
        self.monotonic += Duration::from_millis(by);
        self.unix_secs += by / 1000;
        if self.tape.one_in(8) {
            self.unix_secs -= 30;
        }
        self.tick(nth);
    }

    /// Time goes on to the moment at which the session wants to be looked at.
    fn ring(&mut self, nth: usize) {
        let deadline = self.links[nth].session.deadline();
        let by = deadline.saturating_sub(self.monotonic);
        if by < Duration::from_secs(100_000) {
            self.monotonic += by;
            self.unix_secs += by.as_secs();
        }
        self.tick(nth);
    }

    fn change_work(&mut self) {
        match self.tape.roll(8) {
            0 => self.board.job = None,
            1..=3 => self.new_work(true),
            _ => self.new_work(false),
        }
    }

    /// A connection sees the newest work.
    fn look(&mut self, nth: usize) {
        let (now, board) = (self.now(), self.board.clone());
        self.links[nth].session.on_board(now, &board);
        drop(board);
        self.settle(nth);
    }

    /// A miner stops reading, reads a little, or reads again.
    fn listen(&mut self, nth: usize) {
        let link = &mut self.links[nth];
        match self.tape.roll(3) {
            0 => link.deaf_since = link.deaf_since.or(Some(self.monotonic)),
            1 => link.read(1 + self.tape.roll(200), self.monotonic, &mut self.books, &self.terms),
            _ => link.deaf_since = None,
        }
        self.settle(nth);
    }

    /// Much of the same.
    fn burst(&mut self, nth: usize) {
        let count = 1 + self.tape.roll(80);
        match self.tape.roll(3) {
            0 => {
                for number in 0..count {
                    let line = lines::authorize_numbered(&mut self.links[nth], number);
                    self.say(nth, &line, None);
                    if self.tape.one_in(2) || self.links[nth].authorising.len() > 32 {
                        self.authorise(nth, 0, 4);
                    }
                }
            }
            1 => {
                for _ in 0..count.min(20) {
                    self.change_work();
                    self.look(nth);
                }
            }
            _ => (0..count.min(24)).for_each(|_| self.submit(nth)),
        }
    }

    fn come_and_go(&mut self, nth: usize) {
        match self.tape.roll(4) {
            0 => self.connect(),
            1 => {
                let abruptly = self.tape.one_in(3);
                self.end(nth, abruptly);
            }
            2 => {
                self.links[nth].session.on_stop();
                self.settle(nth);
            }
            _ => {
                if self.tape.one_in(4) && self.links[nth].may_say() {
                    self.links[nth].session.on_line_too_long();
                    self.settle(nth);
                }
            }
        }
    }

    /// Connections that take nothing for too long, and such as the session has closed, go at last.
    fn lose_deaf_and_closed(&mut self) {
        let patience = self.terms.port.write_timeout;
        for nth in (0..self.links.len()).rev() {
            let link = &self.links[nth];
            let is_deaf = link.deaf_since.is_some_and(|since| self.monotonic >= since + patience);
            if is_deaf || link.closed.is_some() && self.tape.one_in(3) {
                self.end(nth, false);
            }
        }
    }
}
