"""The published audio encoder (METHOD §3)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class AudioEncoder(nn.Module):
    """Log-mel of one window's sound (batch, 1, 80 bands, 20 steps) → (batch, width, 4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, three_quarters = width // 2, 3 * width // 4
        self.conv1 = nn.Conv2d(1, width // 8, 3, stride=(2, 1), padding=1)
        self.bn1 = nn.BatchNorm2d(width // 8)
        self.conv2 = nn.Conv2d(width // 8, three_quarters // 2, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(three_quarters // 2)
        self.conv3 = nn.Conv2d(three_quarters // 2, three_quarters, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(three_quarters)
        self.conv4 = nn.Conv2d(three_quarters, half, 3, padding=1)
        self.bn4 = nn.BatchNorm2d(half)
        self.conv5 = nn.Conv2d(half, half, 3, padding=1)
        self.bn5 = nn.BatchNorm2d(half)
        self.conv6 = nn.Conv2d(half, width, (4, 3), padding=(0, 1))
        self.bn6 = nn.BatchNorm2d(width)
        self.conv7 = nn.Conv2d(width, width, 1)

    def forward(self, mel: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(mel))), (3, 1), (2, 1))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 3, 2)
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.relu(self.bn4(self.conv4(x)))
        x = F.max_pool2d(F.relu(self.bn5(self.conv5(x))), (2, 3), 2)
        out: Tensor = self.conv7(F.relu(self.bn6(self.conv6(x))))
        return out.squeeze(2)  # bands are used up: (batch, width, 1, 4) → (batch, width, 4)
