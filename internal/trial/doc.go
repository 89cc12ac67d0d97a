// Package trial puts an application of every kind of stateful operator through faults, and compares what comes out with
// what its input amounts to.
//
// The application runs as several processes against a broker on disk. While input is sent, the trial kills processes of
// either, stops them for longer than their session and lets them go on, takes their state away, restarts them, and has user
// code fail; which and when follows from a seed. The verifier, package verify, shares nothing with the code under trial.
package trial
