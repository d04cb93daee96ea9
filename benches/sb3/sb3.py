"""Training speed of Stable-Baselines3's PPO on the environment that `speed.rs` exported.

    cargo run --release -p training --example speed -- export DIR
    python sb3.py DIR [THREADS] [ROLLOUTS]

Needs `pip install stable-baselines3`. First shows that this environment gives the exported rewards, then prints environment steps a
second, from the end of the first rollout with its update to the end of the last.
"""

import json
import pathlib
import sys
import time

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv


class Market(gymnasium.Env):
    """Orders fill at the next bar's open; everything a step needs is looked up, nothing is computed twice."""

    def __init__(self, folder, plan, seed):
        width = plan["width"]
        self.observations = np.fromfile(folder / "observations.f32", dtype="<f4").reshape(-1, width)
        self.opens, self.closes = np.fromfile(folder / "prices.f64", dtype="<f8").reshape(-1, 2).T.tolist()
        self.plan, self.random = plan, np.random.default_rng(seed)
        execution, params, weights = plan["environment"], plan["params"], plan["weights"]
        self.capital = execution["initial_capital"]
        self.work = self.capital * execution["position_size"]
        self.rate = (execution["transaction_cost_bps"] + execution["slippage_bps"]) / 1e4
        self.long, self.short = execution["action"]["long_above"], execution["action"]["short_below"]
        self.unit = params["unit_bps"] / 1e4 * self.work
        self.params, self.weights = params, weights
        self.observation_space = gymnasium.spaces.Box(-5.0, 5.0, (width,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        episodes = self.plan["episodes"]
        self.begin(*episodes[self.random.integers(len(episodes))])
        return self.observe(), {}

    def begin(self, start, until):
        self.at, self.until = start, until
        self.cash, self.held, self.quantity, self.price = self.capital, 0, 0.0, 0.0
        self.decided, self.idle, self.equity, self.peak = 0, 1, self.capital, self.capital

    def observe(self):
        row = self.observations[self.at].copy()
        row[self.plan["position"]] = self.decided
        return row

    def step(self, action):
        a = float(action[0])
        return self.decide(1 if a > self.long else -1 if a < self.short else 0)

    def decide(self, decision):
        moved, self.decided = abs(decision - self.decided), decision
        self.at += 1
        cost = self.fill(decision, self.opens[self.at]) if decision != self.held else 0.0
        self.idle = 0 if self.held else self.idle + 1
        equity = self.cash + self.held * self.quantity * (self.closes[self.at] - self.price)
        net, depth = equity - self.equity, self.peak - self.equity
        self.equity, self.peak = equity, max(self.peak, equity)
        deeper = max(self.peak - equity - depth, 0.0)
        p, w = self.params, self.weights
        idle = p["inactivity_per_bar"] if self.idle > p["inactivity_grace_bars"] else 0.0
        reward = (
            w.get("pnl", 0.0) * (net + cost) / self.unit
            - w.get("transaction_cost", 0.0) * cost / self.unit
            - w.get("holding", 0.0) * p["holding_per_bar"] * abs(self.held)
            - w.get("inactivity", 0.0) * idle
            - w.get("churn", 0.0) * p["churn_per_change"] * moved
            - w.get("drawdown", 0.0) * deeper / self.unit
        )
        ruined = equity <= 0.0
        return self.observe(), reward, ruined, not ruined and self.at >= self.until, {}

    def fill(self, to, price):
        cost = 0.0
        if self.held:
            self.cash += self.held * self.quantity * (price - self.price)
            cost += self.quantity * price * self.rate
        self.held = to
        if to:
            self.quantity, self.price = self.work / price, price
            cost += self.work * self.rate
        self.cash -= cost
        return cost


class Clock(BaseCallback):
    """When each rollout began."""

    def __init__(self):
        super().__init__()
        self.marks = []

    def _on_rollout_start(self):
        self.marks.append((self.num_timesteps, time.perf_counter()))

    def _on_step(self):
        return True


def same_environment(environment, scripted):
    """Raises unless the scripted episode gives the exported rewards."""
    environment.begin(scripted["from"], scripted["until"])
    for at, (decision, reward) in enumerate(scripted["taken"]):
        found = environment.decide(decision)[1]
        if abs(found - reward) > 1e-6 * (1.0 + abs(reward)):
            raise SystemExit(f"decision {at}: reward {found}, {reward} was exported")


def main():
    folder = pathlib.Path(sys.argv[1])
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rollouts = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    torch.set_num_threads(threads)
    plan = json.loads((folder / "plan.json").read_text())
    same_environment(Market(folder, plan, 0), plan["scripted"])
    settings = dict(plan["training"])
    del settings["trainer"], settings["total_timesteps"]
    layers = settings.pop("net_arch")
    count = plan["environments"]
    environments = DummyVecEnv([lambda seed=seed: Market(folder, plan, seed) for seed in range(count)])
    model = PPO("MlpPolicy", environments, policy_kwargs={"net_arch": layers}, device="cpu", **settings)
    clock = Clock()
    model.learn((rollouts + 1) * settings["n_steps"] * count, callback=clock)
    marks = clock.marks + [(model.num_timesteps, time.perf_counter())]
    (from_steps, began), (to_steps, ended) = marks[1], marks[-1]
    rate = (to_steps - from_steps) / (ended - began)
    print(f"Stable-Baselines3 PPO, {count} environments, {threads} threads: {rate:.0f} steps/s")


if __name__ == "__main__":
    main()
