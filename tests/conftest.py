import signal

import torch

torch.set_num_threads(1)
# what runs in the background may have Ctrl-C ignored, and would hand that on to the processes that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
