"""An experiment's external trainer: Stable-Baselines3's PPO.

`control train` starts it with the variables of docs/TRAINERS.md. It reads the job, learns on the train split, keeps the policy that does best
on the validation split, and writes the mean action as ONNX (opset 17, any batch). The packages are in requirements.txt beside this file.
"""

import json
import os
import sys

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from market import Market

ENVIRONMENTS = 4  # steps of as many copies make one rollout
EPISODE_BARS = 600  # ten sessions; an episode starts anywhere in the split
OPSET = 17


class Trading(gymnasium.Env):
    """Long, flat or short over a stretch of bars; a decision fills at the next bar's open."""

    def __init__(self, market, settings, bars, seed):
        self.market, self.bars = market, bars
        self.cost = (settings["transaction_cost_bps"] + settings["slippage_bps"]) / 10_000
        self.rule = settings["action"]
        self.draws = np.random.default_rng(seed)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (market.width,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        last = max(len(self.market) - self.bars - 2, 0)
        self.at = int(self.draws.integers(0, last + 1))
        self.end = min(self.at + self.bars, len(self.market) - 2)
        self.position = 0
        return self.market.observe(self.at, self.position), {}

    def step(self, action):
        before, self.position = self.position, decided(float(action[0]), self.rule)
        reward = self.market.next_return(self.at) * self.position - self.cost * abs(self.position - before)
        self.at += 1
        over = self.at >= self.end
        # In units of one bar's volatility, so that the value function sees numbers near 1.
        return self.market.observe(self.at, self.position), reward / self.market.volatility, False, over, {}


def decided(raw, rule):
    """The position a raw output stands for."""
    if raw > rule["long_above"]:
        return 1
    return -1 if raw < rule["short_below"] else 0


def evaluate(model, market, settings):
    """Mean reward a bar of the mean action over a whole split."""
    env = Trading(market, settings, len(market), 0)
    observation, _ = env.reset()
    total, over, steps = 0.0, False, 0
    while not over:
        action, _ = model.predict(observation, deterministic=True)
        observation, reward, _, over, _ = env.step(action)
        total, steps = total + reward, steps + 1
    return total / max(steps, 1)


class MeanAction(torch.nn.Module):
    """What is exported: observation in, mean action out."""

    def __init__(self, policy):
        super().__init__()
        self.body, self.head = policy.mlp_extractor.policy_net, policy.action_net

    def forward(self, observation):
        return self.head(self.body(observation))


def export(policy, width, path):
    """Writes the policy's mean action."""
    torch.onnx.export(
        MeanAction(policy).eval(),
        (torch.zeros(1, width),),
        path,
        opset_version=OPSET,
        input_names=["observation"],
        output_names=["action"],
        dynamic_axes={"observation": {0: "batch"}, "action": {0: "batch"}},
        dynamo=False,
    )


def main():
    with open(os.environ["TWOVOTE_JOB"], encoding="utf-8") as file:
        job = json.load(file)
    settings = job["experiment"]["environment"]
    if settings["action"]["kind"] != "continuous":
        sys.exit("this example trains a continuous action; the experiment asks for " + settings["action"]["kind"])
    seed = int(os.environ["TWOVOTE_SEED"])
    train, validation = Market(job, job["train"]), Market(job, job["validation"])
    env = DummyVecEnv(
        [lambda n=n: Trading(train, settings, EPISODE_BARS, seed + n) for n in range(ENVIRONMENTS)]
    )
    model = PPO("MlpPolicy", env, seed=seed, n_steps=512, gamma=0.9, ent_coef=0.0, device="cpu")
    steps, best = int(os.environ.get("SB3_STEPS", 200_000)), -np.inf
    rounds = 10
    for number in range(rounds):
        model.learn(steps // rounds, reset_num_timesteps=number == 0)
        score = evaluate(model, validation, settings)
        print(f"{model.num_timesteps} steps, validation reward a bar {score:.5f}", flush=True)
        if score > best:
            best = score
            export(model.policy, train.width, os.environ["TWOVOTE_OUTPUT"])


if __name__ == "__main__":
    main()
