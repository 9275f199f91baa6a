@echo off
rem Measures directml on this machine, without network, Go or Python. The evidence is
rem then in the folder evidence, beside this file: bring it back and judge it.
setlocal
cd /d "%~dp0"
set "here=%CD%"
set "PATH=%here%\lib\directml;%PATH%"
set "EMBEDGATE_CPU_LIB=%here%\lib\cpu\onnxruntime.dll"
set "EMBEDGATE_DIRECTML_LIB=%here%\lib\directml\onnxruntime.dll"
set "EMBEDGATE_ORT_LIB=%here%\lib\directml\onnxruntime.dll"
set "XDG_CACHE_HOME=%here%\cache"
"%here%\embedgate.exe" measure --policy policy\policy.yaml --candidate candidate --provider directml --variant fp32 --out evidence\directml-fp32 --nonce n-1 || exit /b
"%here%\embedgate.exe" measure --policy policy\policy.yaml --candidate candidate --provider directml --variant fp16 --out evidence\directml-fp16 --nonce n-1 || exit /b
echo bring back %here%\evidence 1>&2
