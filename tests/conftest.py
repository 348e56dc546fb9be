import os
import signal

import torch

torch.set_num_threads(1)
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels run on the CPU; Triton looks at it when it is imported
# what runs in the background may have Ctrl-C ignored, and would hand that on to the processes that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
